"""Layouts of a run drawn for a description: its sentence read with the run's classes, and its prior over boxes told.

Sizes and "many" are those of the layouts that the run stores.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.layouts.box_prior import BoxPrior
from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.described import DescribedLayouts
from labelmint.layouts.description import refuse_impossible
from labelmint.layouts.grammar import understood
from labelmint.layouts.lexicon import Lexicon
from labelmint.layouts.usual import Usual
from labelmint.types import Array

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Described", "described_layouts", "usual_of", "with_description"]

_MOST_LAYOUTS = 4096  # stored layouts that sizes are taken from


class Described(NamedTuple):
    """What was described, as it is written down: the sentence, and synonyms as JSON, empty without any."""

    text: str
    synonyms: str


def with_description(
    system: TrainedSystem, text: str, synonyms: Mapping[str, str] | None = None
) -> TrainedSystem:
    """A system whose layouts are drawn for a description, in place of its own.

    Raises InputError as `described_layouts` does.
    """
    found = copy.copy(system)
    found.own_layouts = described_layouts(system, text, synonyms)
    found.described = Described(text, json.dumps(synonyms, sort_keys=True) if synonyms else "")
    return found


def described_layouts(
    system: TrainedSystem, text: str, synonyms: Mapping[str, str] | None = None
) -> DescribedLayouts:
    """The layout source of a description.

    Arguments:
        synonyms: the name of a class by another name for it.

    Raises InputError for words that it does not know, for wishes that no layout meets, and for a run without layouts.
    """
    if system.learned_from_images:
        raise InputError(
            f"--describe {text!r}: {system.path} learned from images alone and knows of no objects; leave it out"
        )
    description = understood(text, Lexicon(system.classes, synonyms))
    source = _source(system)
    class_of = [class_id for class_id, _ in system.config.symbols]
    boxed = {class_of[symbol] for symbol in source.rule.first.values()}
    refuse_impossible(description, boxed, source.rule.most)
    return DescribedLayouts(
        description, source, source.rule, class_of, usual_of(system, source.rule), system.size
    )


def usual_of(system: TrainedSystem, rule: BoxRule) -> Usual:
    """Objects of the layouts that a run stores."""
    stored = system.stored
    height, width = system.size
    class_of = np.array([class_id for class_id, _ in system.config.symbols])

    def objects(row: int) -> Array:
        if stored.boxes is not None:
            boxes = stored.boxes[row].cpu().double().numpy()
            boxes = boxes[boxes[:, 0] >= 0]
        else:
            boxes = rule.of_map(stored.ids[row].cpu().numpy())
        ids = class_of[boxes[:, :1].astype(int)]
        return np.concatenate([ids, boxes[:, 1:] / [width, height, width, height]], axis=1)

    return Usual([objects(row) for row in range(min(len(stored.ids), _MOST_LAYOUTS))])


def _source(system: TrainedSystem) -> BoxPrior:
    """A prior over boxes: the run's own."""
    if isinstance(system.wired.layouts, BoxPrior):
        return system.wired.layouts
    raise InputError(
        f"{system.path}: {system.system} has no prior over boxes; train one with `labelmint train DATA --system boxes`"
    )

"""Layouts of a run drawn for a description: its sentence read with the run's classes, and its prior over boxes told.

    boxes ~ p(boxes given wishes) of the run whose layouts are taken,    s = what `boxes_for` makes of them

That run is the one of `--layouts-from`, or else the run that draws the images. Sizes and "many" are those of the
layouts that it stores.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.layouts.described import DescribedLayouts, Unmet
from labelmint.layouts.description import refuse_impossible
from labelmint.layouts.grammar import understood
from labelmint.layouts.lexicon import Lexicon
from labelmint.layouts.usual import Usual
from labelmint.progress import Report
from labelmint.protocols import Dial, Dials, LayoutSource
from labelmint.runs.boxes_for import BoxesFor, stored_boxes
from labelmint.seeds import Seed
from labelmint.types import Array, Kept, LayoutBatch

if TYPE_CHECKING:
    from labelmint.layouts.boxes import BoxRule
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Described", "described_layouts", "sampled", "with_description"]


class Described(NamedTuple):
    """What was described, as it is written down: the sentence, synonyms as JSON (empty without any), and SHA-256 of the
    prior over boxes.
    """

    text: str
    synonyms: str
    digest: str


class _ForImages:
    """Layout source of described boxes, as the run that draws images takes them."""

    def __init__(self, described: DescribedLayouts, boxes_for: BoxesFor) -> None:
        self._described, self._boxes_for = described, boxes_for

    @property
    def dials(self) -> tuple[Dial, ...]:
        """Dials of the prior over boxes."""
        return self._described.dials

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """Layouts that meet the description, one a seed; raises Unmet where some can't."""
        try:
            return self._boxes_for.layouts(self._described.sample(seeds, dials), seeds)
        except Unmet as error:
            if error.layouts is not None:
                error.layouts = self._boxes_for.layouts(error.layouts, seeds)
            raise

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that the prior takes."""
        return self._described.drawing_bytes(batch_size, dials)


def sampled(
    source: LayoutSource, seeds: Sequence[Seed], dials: Dials, kept: Kept | None, wanted: range | None
) -> LayoutBatch:
    """Layouts of a source, one a seed; raises Unmet where one that is wanted can't meet its description."""
    try:
        return source.sample(seeds, dials, kept)
    except Unmet as error:
        missing = [row for row in error.rows if wanted is None or seeds[row][1] in wanted]
        if missing or error.layouts is None:
            raise
        return error.layouts


def with_description(
    system: TrainedSystem, text: str, synonyms: Mapping[str, str] | None = None, report: Report | None = None
) -> TrainedSystem:
    """A system whose layouts are drawn for a description, in place of its own or of those of another run.

    Raises InputError as `described_layouts` does, and where the run of images does not know what is drawn.
    """
    from labelmint.runs.box_prior import box_prior_of

    if system.moves_pairs:
        raise InputError(
            f"{system.path}: {system.system} takes layout and image from one labelled pair, so none can be described"
        )
    source, found = system if system.layouts_from is None else system.layouts_from.run, copy.copy(system)
    rule = system.config.boxes  # images may be drawn for fewer boxes than the source draws
    described = described_layouts(source, text, synonyms, report, None if rule is None else rule.most)
    prior = box_prior_of(source)
    found.own_layouts = _ForImages(described, BoxesFor(source, prior, system))
    written = json.dumps(synonyms, sort_keys=True, ensure_ascii=False) if synonyms else ""
    found.described = Described(text, written, prior.digest)
    return found


def described_layouts(
    run: TrainedSystem,
    text: str,
    synonyms: Mapping[str, str] | None = None,
    report: Report | None = None,
    most: int | None = None,
) -> DescribedLayouts:
    """The source of boxes for a description.

    Arguments:
        synonyms: the name of a class by another name for it.
        report: is told of progress where a prior over boxes is fitted first.
        most: boxes of a layout at most; None for those that the run has.

    Raises InputError for words that are not known, for wishes that no layout meets, and for a run without layouts.
    """
    from labelmint.runs.box_prior import box_prior_of

    if run.learned_from_images:
        raise InputError(
            f"{run.path}: {run.system} learned from images alone and knows of no objects, so none can be described"
        )
    description = understood(text, Lexicon(run.classes, synonyms))
    prior = box_prior_of(run, report)
    most = prior.rule.most if most is None else min(most, prior.rule.most)
    refuse_impossible(description, prior.class_ids, most)
    class_of = [class_id for class_id, _ in run.config.symbols]
    usual = _usual(run, prior.rule, class_of)
    return DescribedLayouts(description, prior, prior.rule, class_of, usual, run.size, most)


def _usual(run: TrainedSystem, rule: BoxRule, class_of: Sequence[int]) -> Usual:
    """Objects of the layouts that a run stores."""
    (height, width), ids = run.size, np.array(class_of)

    def objects(padded: Array) -> Array:
        boxes = padded[padded[:, 0] >= 0]
        return np.concatenate(
            [ids[boxes[:, :1].astype(int)], boxes[:, 1:] / [width, height, width, height]], axis=1
        )

    return Usual([objects(padded) for padded in stored_boxes(run, rule)[1]])

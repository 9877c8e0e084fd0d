"""Layouts of a run without their images: those that its samples have, at a part of the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from labelmint.errors import InputError
from labelmint.runs.described import sampled
from labelmint.runs.labels import labels_of
from labelmint.runs.streams import LAYOUT, streams_of

if TYPE_CHECKING:
    from labelmint.runs.draw import Draw
    from labelmint.runs.given import Given
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import Layout

__all__ = ["drawn_layout", "given_layout"]


def drawn_layout(system: TrainedSystem, draw: Draw, index: int) -> Layout:
    """The layout that the system's own source draws for sample `index`, as the sample has it.

    Raises InputError for a system that draws no layouts, and for dials that it does not heed.
    """
    source = system.own_layouts
    if source is None:
        raise InputError(
            f"{system.path}: {system.system} draws no layouts; take one of those it was trained on"
        )
    first = index // draw.batch_size * draw.batch_size
    seeds = draw.seeds(LAYOUT, range(first, first + draw.batch_size), streams_of(source))
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        drawn = sampled(source, seeds, system.resolve(draw.dials), None, range(index, index + 1))
        seen = drawn if source is system.wired.layouts else system.wired.see(drawn)
    row = slice(index - first, index - first + 1)
    return labels_of(system.config, drawn[row], seen[row], draw.labels)[0]


def given_layout(system: TrainedSystem, given: Given, place: int) -> Layout:
    """One of some given layouts, as a label map. Raises InputError for a place that is none."""
    if not 0 <= place < len(given.ids):
        raise InputError(f"there is no layout {place}; there are {len(given.ids)}, from 0 on")
    return system.config.symbol_table.layout(given.ids[place].numpy(), system.config.has_instances)

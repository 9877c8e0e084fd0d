"""Layouts drawn by one run for the images of another: through what they show, never by symbol numbers.

    s ~ p(s) of the one run,    s as a `Layout`: classes by name, instances,    x ~ p(x given s) of the other

Two runs number their symbols by what their own data held. So a drawn layout is read back into classes and
instances, its classes are found by their names, and its instances are colored anew for the other run. Boxes become
what `boxes_for` makes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from labelmint.datasets.symbols import color_instances
from labelmint.errors import InputError
from labelmint.layouts.box_prior import BoxPrior
from labelmint.protocols import Dial, Dials
from labelmint.runs.boxes_for import BoxesFor
from labelmint.runs.by_name import classes_by_name
from labelmint.seeds import Seed
from labelmint.systems.catalogue import check_mints, drawing_layouts
from labelmint.types import Array, Kept, Layout, LayoutBatch

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["RunLayouts"]


class RunLayouts:
    """LayoutSource of another run's layout source.

    Attributes:
        run: that draws layouts. system: its name. digest: SHA-256 of its weights.

    Arguments:
        source: the run that draws layouts. images: the run that draws images for them.

    Raises InputError where the one draws no layouts, where the other heeds none, where their sizes differ, and where
    the other does not know a class of the one.
    """

    def __init__(self, source: TrainedSystem, images: TrainedSystem) -> None:
        check_mints(images.system, images.path)
        if images.learned_from_images:
            raise InputError(
                f"--layouts-from {source.path}: {images.system} learns from images alone and uses no layouts; leave "
                f"it out"
            )
        if images.moves_pairs:
            raise InputError(
                f"--layouts-from {source.path}: {images.system} takes layout and image from one labelled pair; leave "
                f"it out"
            )
        if source.wired.layouts is None:
            raise InputError(
                f"--layouts-from {source.path}: {source.system} draws no layouts; give a run of "
                f"{' or '.join(drawing_layouts())}"
            )
        if source.size != images.size:
            (height, width), (rows, columns) = source.size, images.size
            raise InputError(
                f"--layouts-from {source.path}: draws {height}x{width} pixels, and {images.path} draws "
                f"{rows}x{columns}; give a run of the same size"
            )
        self.run = source
        self.system, self.digest, self._source = source.system, source.digest, source.wired.layouts
        self._from, self._to = source.config, images.config
        self._reach, self._device = images.wired.reach, images.device
        self._of_boxes: BoxesFor | None = None
        if isinstance(self._source, BoxPrior):
            self._of_boxes = BoxesFor(source, self._source, images)
        else:
            self._class_of = classes_by_name(source, images, {one for one, _ in self._from.symbols})

    @property
    def dials(self) -> tuple[Dial, ...]:
        """Dials of the run that draws layouts."""
        return self._source.dials

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """One layout a seed, in the symbols of the run that draws images."""
        drawn = self._source.sample(seeds, dials)
        if self._of_boxes is not None:
            return self._of_boxes.layouts(drawn, seeds)
        table = self._from.symbol_table
        found = [
            self._indices(table.layout(ids, self._from.has_instances)) for ids in drawn.ids.cpu().numpy()
        ]
        return LayoutBatch(torch.from_numpy(np.stack(found)).to(self._device))

    def _indices(self, layout: Layout) -> Array:
        label_map = self._class_of[layout.label_map]
        colors = None
        if layout.instances is not None and self._to.has_instances:
            colors = color_instances(layout.instances, label_map, self._reach)
        return self._to.symbol_table.index(label_map, colors)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that the run takes that draws layouts."""
        return self._source.drawing_bytes(batch_size, dials)

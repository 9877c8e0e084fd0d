"""Boxes that were drawn over the data of one run, as layouts for the images of another.

for a generator of boxes:    the boxes, by the names of their classes
for a generator of maps:     in each box the outline of an object, and a ground beside them (`layouts.shapes`)

So the label of an image is what its generator saw, in either case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from labelmint.datasets.pair import padded
from labelmint.datasets.symbols import color_instances
from labelmint.errors import InputError
from labelmint.layouts.box_prior import BoxPrior
from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.shapes import ShapeBank
from labelmint.runs.by_name import classes_by_name
from labelmint.seeds import Seed, uniforms
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, Layout, LayoutBatch

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["BoxesFor", "stored_boxes"]

_MOST_LAYOUTS = 1024  # whose shapes and grounds are taken
_SHAPES = "shapes"  # a stream of random numbers


def stored_boxes(run: TrainedSystem, rule: BoxRule) -> tuple[Array, Array]:
    """Symbol maps (N, H, W) of the layouts that a run stores, evenly thinned where there are many, and the boxes of
    each, (N, most, 5), padded with -1.
    """
    stored = RunFolder(run.path).load_part("layouts")[0]
    step = -(-len(stored["ids"]) // _MOST_LAYOUTS)
    ids = stored["ids"][::step].numpy()
    if run.config.boxes is not None and "boxes" in stored:
        return ids, stored["boxes"][::step].double().numpy()
    return ids, padded([rule.of_map(one) for one in ids], rule.most).double().numpy()


class BoxesFor:
    """Layouts for the images of a run, of boxes that a prior drew.

    Arguments:
        source: the run whose data the prior learned. prior: what draws boxes, in symbols of that run.
        images: the run that draws images; it may be the same.

    Raises InputError where the sizes differ, and for a class that the run of images does not know.
    """

    def __init__(self, source: TrainedSystem, prior: BoxPrior, images: TrainedSystem) -> None:
        self._source, self._prior, self._images = source, prior, images
        self._layouts = (
            self._as_maps() if images.config.boxes is None else self._as_boxes(images.config.boxes)
        )

    def layouts(self, drawn: LayoutBatch, seeds: Sequence[Seed]) -> LayoutBatch:
        """Layouts in symbols of the run of images; row r depends on boxes r and seed r alone."""
        assert drawn.boxes is not None
        rows = [some[some[:, 0] >= 0] for some in drawn.boxes.cpu().double().numpy()]
        return self._layouts(rows, seeds).to(self._images.device)

    def _as_boxes(self, rule: BoxRule) -> Callable[[list[Array], Sequence[Seed]], LayoutBatch]:
        """For a generator that sees boxes: all are known to it, or refused."""
        source, images, table = self._source, self._images, self._images.config.symbol_table.symbols
        there = {images.classes.name_of(table[symbol][0]): symbol for symbol in set(rule.first.values())}
        symbol_of = np.zeros(max(self._prior.symbols) + 1, np.int64)
        for symbol, class_id in zip(self._prior.symbols, self._prior.class_ids, strict=True):
            name = source.classes.name_of(class_id)
            if name not in there:
                raise InputError(
                    f"--layouts-from {source.path}: draws boxes of {name!r}, and {images.path} sees boxes of "
                    f"{', '.join(sorted(there))} alone; give runs with the same `salient`"
                )
            symbol_of[symbol] = there[name]

        def seen(rows: list[Array], seeds: Sequence[Seed]) -> LayoutBatch:
            known = [np.column_stack([symbol_of[some[:, 0].astype(int)], some[:, 1:]]) for some in rows]
            blank = torch.zeros(len(rows), *images.size, dtype=torch.uint8)
            return rule.see(LayoutBatch(blank, boxes=padded(known, rule.most)))

        return seen

    def _as_maps(self) -> Callable[[list[Array], Sequence[Seed]], LayoutBatch]:
        """For a generator that sees maps."""
        table, most = self._source.config.symbol_table.symbols, self._prior.rule.most
        used = {table[symbol][0] for symbol in self._may_show}
        class_of = classes_by_name(self._source, self._images, used)
        known = np.zeros(len(table), np.int64)
        for symbol, (class_id, _) in enumerate(table):
            known[symbol] = class_of[class_id] if class_id in used else 0

        def seen(rows: list[Array], seeds: Sequence[Seed]) -> LayoutBatch:
            numbers = uniforms(seeds, _SHAPES, most + 1).double().numpy()
            maps = []
            for some, own in zip(rows, numbers, strict=True):
                symbols, instances = self._bank.draw(some, own)
                maps.append(self._indices(Layout(label_map=known[symbols], instances=instances)))
            return LayoutBatch(torch.from_numpy(np.stack(maps)))

        return seen

    @property
    def _ground(self) -> int | None:
        """The symbol of what no box covers, where that is the same everywhere."""
        return next(iter(self._prior.rule.grounds), None)

    @cached_property
    def _may_show(self) -> set[int]:
        """Symbols that a map may show."""
        rule, ids = self._prior.rule, self._stored[0]
        beside = {self._ground} if self._ground is not None else {*np.unique(ids).tolist()} - {*rule.first}
        return {*self._prior.symbols, *(symbol for symbol in beside if symbol is not None)}

    @cached_property
    def _stored(self) -> tuple[Array, Array]:
        return stored_boxes(self._source, self._prior.rule)

    @cached_property
    def _bank(self) -> ShapeBank:
        return ShapeBank(*self._stored, self._prior.rule.first, self._ground)

    def _indices(self, layout: Layout) -> Array:
        config, colors = self._images.config, None
        if layout.instances is not None and config.has_instances:
            colors = color_instances(layout.instances, layout.label_map, self._images.wired.reach)
        return config.symbol_table.index(layout.label_map, colors)

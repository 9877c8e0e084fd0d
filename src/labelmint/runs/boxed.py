"""Which boxes stand for the layouts of a data set, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from labelmint.datasets.fitting import fitted_layout
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.objects import largest
from labelmint.datasets.pair import Pair
from labelmint.datasets.splits import split_of
from labelmint.errors import InputError
from labelmint.layouts.boxes import (
    BoxCount,
    BoxRule,
    BoxSettings,
    count_boxes,
    named_classes,
    salient_classes,
)
from labelmint.types import Array, DataSet, Layout

__all__ = ["Boxed", "boxed"]

Tell = Callable[[int, int], None]


class Boxed(NamedTuple):
    """What has boxes in a data set, and by which rule; ids are those of classes."""

    counted: BoxCount
    rule: BoxRule
    geometry: Geometry | None

    def of(self, layout: Layout) -> Array:
        """Boxes (N, 5) of a layout, class ids and corners, in its own pixels."""
        pair = _pair("", layout, self.geometry)
        found = largest(self.rule.of_pair(pair), self.rule.most)
        down, across = (old / new for old, new in zip(layout.size, pair.size, strict=True))
        scaled: Array = found * [1, across, down, across, down]
        return scaled


def boxed(
    data: DataSet,
    settings: BoxSettings,
    geometry: Geometry | None = None,
    group_by: str | None = None,
    tell: Tell = lambda done, of: None,
) -> Boxed:
    """Look at all layouts twice: at the pixels of classes, over the training part, and at objects.

    Arguments:
        geometry: how images come to the size of training; None takes them as they are.
        tell: is called with (layouts seen, of all).

    Raises InputError for classes that are none, and where no class has objects.
    """
    named_classes(data.classes, settings)  # before anything is loaded
    classes, pixels, names = data.classes, Counter[int](), set(_training(data, group_by))
    for pair in _pairs(data, data.names, geometry, tell):
        ids, counts = np.unique(pair.ids, return_counts=True)
        for one, count in zip(ids.tolist(), counts.tolist(), strict=True):
            pixels[one] += count if pair.name in names else 0
    known = {one: count for one, count in pixels.items() if one in {*classes.ids, *classes.ignore}}
    salient = salient_classes(known, classes, settings)
    class_of = {one: one for one in salient}
    rule = BoxRule(first=class_of, grounds=(), ignored=-1, least=settings.least_box, most=settings.most_boxes)
    whole = geometry if geometry is not None and geometry.crop else None
    pairs = _pairs(data, data.names, geometry, lambda done, of: None)
    return Boxed(count_boxes(pairs, rule, whole, class_of, known, classes, settings), rule, geometry)


def _training(data: DataSet, group_by: str | None) -> Sequence[str]:
    try:
        return split_of(data, group_by).training
    except InputError:  # neighbors on both sides, which inspection finds itself
        return data.names


def _pairs(data: DataSet, names: Sequence[str], geometry: Geometry | None, tell: Tell) -> Iterator[Pair]:
    """Layouts that can be read, as pairs without images; what is wrong with the others is told elsewhere."""
    for done, name in enumerate(names, 1):
        tell(done, len(names))
        try:
            pair = _pair(name, data.layout(name), geometry)
        except (InputError, OSError):
            continue
        yield pair


def _pair(name: str, layout: Layout, geometry: Geometry | None) -> Pair:
    ids, instances, boxes = fitted_layout(name, layout, geometry or Geometry(size=layout.size))
    blank = np.zeros((*ids.shape, 1), np.uint8)
    return Pair(name=name, group=name, image=blank, ids=ids, instances=instances, boxes=boxes)

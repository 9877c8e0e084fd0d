"""Label maps of boxes: in each box the outline of an object of the data, and beside them a ground that the data have.

    s(p) = class of the smallest object whose shape covers p, else ground(p)

The shape of an object is one of its class in the training layouts, of about its size and of its proportions, scaled
into the box: of the eight nearest one is drawn. Where every class but the background has boxes, the ground is the
background. Where classes without boxes cover the image (sky, road), the ground is that of the training layout whose
objects lie most like the drawn ones, by the share of cells that show the same class on a grid of 32x32,

    S(q, t) = |{ j : q_j = t_j, no ground }| / |{ j : q_j or t_j no ground }|,

with the ground around them continued where its own objects stood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from labelmint.types import Array

__all__ = ["ShapeBank"]

_MOST_SHAPES = 300  # of a class
_SIDE = 48  # pixels of a shape at most, along a side
_NEAREST = 8
_GRID = 32


class _Shape(NamedTuple):
    """An outline (h, w), and log width and height of its box in shares of the image."""

    inside: Array
    sides: tuple[float, float]


class ShapeBank:
    """The shapes and the grounds of training layouts.

    Arguments:
        ids: symbol maps (N, H, W). boxes: (N, n, 5) of each, symbols and corners in pixels, padded with -1.
        first: the symbol that boxes have of each symbol that objects have, as in `BoxRule`.
        ground: the symbol of what no box covers; None where it is not the same everywhere.
    """

    def __init__(self, ids: Array, boxes: Array, first: Mapping[int, int], ground: int | None) -> None:
        self._ids, self._boxes, self._first, self._ground = ids, boxes, dict(first), ground
        self._objects = np.isin(ids, [*first])
        self._shapes = {symbol: self._of(symbol) for symbol in sorted(set(first.values()))}
        self._cells = np.stack([_cells(some[some[:, 0] >= 0], ids.shape[1:]) for some in boxes])

    def draw(self, boxes: Array, numbers: Sequence[float]) -> tuple[Array, Array]:
        """A map (H, W) of symbols, and one of instances, of boxes (N, 5), symbols and corners in pixels.

        Arguments:
            numbers: in [0, 1), one a box at least; and one more, which chooses among grounds that are alike.
        """
        size = self._ids.shape[1:]
        symbols = self._ground_of(boxes, numbers[-1])
        instances = np.zeros(size, np.uint16)
        areas = np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
        for place in np.argsort(-areas, kind="stable").tolist():
            rows, columns = _window(boxes[place, 1:], size)
            inside = self._shape(
                boxes[place], (rows.stop - rows.start, columns.stop - columns.start), numbers[place]
            )
            symbols[rows, columns][inside] = int(boxes[place, 0])
            instances[rows, columns][inside] = place + 1
        return symbols, instances

    def _of(self, symbol: int) -> list[_Shape]:
        """Shapes of a class, evenly thinned where there are too many."""
        where = np.argwhere(self._boxes[:, :, 0] == symbol)
        chosen = where[:: -(-len(where) // _MOST_SHAPES)] if len(where) else where
        own, size = [k for k, other in self._first.items() if other == symbol], self._ids.shape[1:]
        found = []
        for layout, number in chosen.tolist():
            box = self._boxes[layout, number, 1:]
            window = _window(box, size)
            crop = self._ids[layout][window]
            ids, counts = np.unique(crop[np.isin(crop, own)], return_counts=True)
            # touching instances of a class have symbols of their own
            inside = crop == ids[counts.argmax()] if len(ids) else np.ones_like(crop, bool)
            down, across = (min(side, _SIDE) for side in inside.shape)
            found.append(_Shape(_scaled(inside, (down, across)), _sides(box, size)))
        return found

    def _shape(self, box: Array, size: tuple[int, int], number: float) -> Array:
        """A shape (h, w) for a box."""
        known = self._shapes.get(int(box[0]), [])
        if not known:
            return np.ones(size, bool)
        apart = np.abs(np.array([one.sides for one in known]) - _sides(box[1:], self._ids.shape[1:])).sum(
            axis=1
        )
        nearest = np.argsort(apart, kind="stable")[:_NEAREST]
        inside = _scaled(known[int(nearest[int(number * len(nearest))])].inside, size)
        return inside if inside.any() else np.ones(size, bool)

    def _ground_of(self, boxes: Array, number: float) -> Array:
        dtype = np.int16
        if self._ground is not None:
            return np.full(self._ids.shape[1:], self._ground, dtype)
        cells = _cells(boxes, self._ids.shape[1:])
        same = ((self._cells == cells) & (cells >= 0)).sum(axis=(1, 2))
        either = ((self._cells >= 0) | (cells >= 0)).sum(axis=(1, 2))
        alike = np.where(either > 0, same / np.maximum(either, 1), 1.0)
        # a layout of objects alone has no ground
        alike[self._objects.all(axis=(1, 2))] = -1.0
        best = np.flatnonzero(alike == alike.max())
        return self._without_objects(int(best[int(number * len(best))])).astype(dtype)

    def _without_objects(self, layout: int) -> Array:
        """A training map whose objects gave way to the nearest pixel of its ground."""
        from scipy import ndimage

        objects = self._objects[layout]
        if not objects.any() or objects.all():
            alone: Array = self._ids[layout].copy()
            return alone
        nearest = ndimage.distance_transform_edt(objects, return_distances=False, return_indices=True)
        found: Array = self._ids[layout][tuple(nearest)]
        return found


def _window(box: Array, size: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of the pixels of a box (x0, y0, x1, y1), at least one of each."""
    x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
    top, left = min(max(y0, 0), size[0] - 1), min(max(x0, 0), size[1] - 1)
    return slice(top, min(max(y1, top + 1), size[0])), slice(left, min(max(x1, left + 1), size[1]))


def _scaled(inside: Array, size: tuple[int, int]) -> Array:
    """A shape at another size, each pixel that at its center."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, inside.shape, strict=True)
    )
    found: Array = inside[rows[:, None], columns[None]]
    return found


def _sides(box: Array, size: Sequence[int]) -> tuple[float, float]:
    """Log width and height of a box, in shares of the image."""
    x0, y0, x1, y1 = box.tolist()
    return float(np.log(max(x1 - x0, 1.0) / size[1])), float(np.log(max(y1 - y0, 1.0) / size[0]))


def _cells(boxes: Array, size: Sequence[int]) -> Array:
    """(32, 32), the symbol of the smallest box over the middle of each cell, -1 where there is none."""
    found = np.full((_GRID, _GRID), -1, np.int16)
    rows, columns = ((np.arange(_GRID) + 0.5) * side / _GRID for side in size)
    areas = np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
    for place in np.argsort(-areas, kind="stable").tolist():
        symbol, x0, y0, x1, y1 = boxes[place].tolist()
        # a box between the middles of two cells covers the nearer one
        down = (rows >= y0) & (rows < y1) | (np.abs(rows - (y0 + y1) / 2) <= size[0] / (2 * _GRID))
        across = (columns >= x0) & (columns < x1) | (np.abs(columns - (x0 + x1) / 2) <= size[1] / (2 * _GRID))
        found[np.ix_(down, across)] = int(symbol)
    return found

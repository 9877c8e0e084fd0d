"""What tokens keep of a layout.

On a grid of label maps a cell takes the symbol that covers most of its pixels, so thin objects vanish. A
symbol is a class together with an instance, or a class alone where there are no instances. An object is kept
where some cell takes its symbol and holds some of its pixels. Tokens of another kind keep an object where
some pixel of it comes back as its class. What crops are cut from is cut to whole cells first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

import numpy as np

from labelmint.datasets.objects import commonest, object_map
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["check_grid", "kept_as_written", "kept_objects", "whole_cells"]


def check_grid(size: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Pixels (h, w) of a cell of a grid (h, w); raises InputError unless that divides the size (H, W)."""
    if min(*size, *grid) < 1 or size[0] % grid[0] or size[1] % grid[1]:
        raise InputError(
            f"a token grid of {grid[0]}x{grid[1]} does not divide the size {size[0]}x{size[1]}; take a size "
            f"that it divides"
        )
    return size[0] // grid[0], size[1] // grid[1]


def kept_objects(
    label_map: Array, instances: Array | None, cell: tuple[int, int], passed_over: Collection[int]
) -> tuple[Counter[int], Counter[int]]:
    """Objects that a layout has, and those that its grid keeps, counted by class.

    Arguments:
        label_map, instances: (H, W).
        cell: (h, w) pixels.
        passed_over: class ids without objects.
    """
    label_map, instances = _both(label_map, instances, cell)
    objects, classes = object_map(label_map, instances, passed_over)
    symbols = label_map.astype(np.int64) if instances is None else _pairs(label_map, objects)
    (height, width), (rows, columns) = label_map.shape, cell
    across = width // columns
    places = (np.arange(height) // rows)[:, None] * across + np.arange(width) // columns
    winners = commonest(places.ravel(), symbols.ravel())
    wins = np.array([winners[k] for k in range(height // rows * across)])[places] == symbols
    found = np.unique(objects[wins & (objects > 0)]).tolist()
    return Counter(classes), Counter(classes[k - 1] for k in found)


def kept_as_written(
    label_map: Array,
    instances: Array | None,
    cell: tuple[int, int],
    written: Callable[[Array], Array],
    passed_over: Collection[int],
) -> tuple[Counter[int], Counter[int]]:
    """Objects that are kept where layouts are written in tokens and read again, (H, W) -> (H, W) class ids."""
    label_map, instances = _both(label_map, instances, cell)
    objects, classes = object_map(label_map, instances, passed_over)
    of_class = np.array([0, *classes])[objects]
    found = np.unique(objects[(objects > 0) & (written(label_map) == of_class)]).tolist()
    return Counter(classes), Counter(classes[k - 1] for k in found)


def whole_cells(ids: Array, cell: tuple[int, int]) -> Array:
    """The middle of a map (H, W) that cells of (h, w) pixels cover."""
    tops = [side % pixels // 2 for side, pixels in zip(ids.shape, cell, strict=True)]
    sides = [side - side % pixels for side, pixels in zip(ids.shape, cell, strict=True)]
    return ids[tops[0] : tops[0] + sides[0], tops[1] : tops[1] + sides[1]]


def _both(label_map: Array, instances: Array | None, cell: tuple[int, int]) -> tuple[Array, Array | None]:
    """The whole cells of both maps."""
    return whole_cells(label_map, cell), None if instances is None else whole_cells(instances, cell)


def _pairs(label_map: Array, objects: Array) -> Array:
    """One number for each pair of class and object."""
    symbols: Array = objects.astype(np.int64) * (int(label_map.max(initial=0)) + 1) + label_map
    return symbols

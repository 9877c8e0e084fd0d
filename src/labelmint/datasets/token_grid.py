"""What tokens keep of a layout.

On a grid of label maps a cell takes the symbol that covers most of its pixels, so thin objects vanish. A
symbol is a class together with an instance, or a class alone where there are no instances. An object is kept
where some cell takes its symbol and holds some of its pixels. Tokens of another kind keep an object where
some pixel of it comes back as its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["check_grid", "kept_as_written", "kept_objects", "object_map"]


def check_grid(size: tuple[int, int], grid: tuple[int, int]) -> None:
    """Raise InputError unless the grid (h, w) divides the size (H, W)."""
    if min(*size, *grid) < 1 or size[0] % grid[0] or size[1] % grid[1]:
        raise InputError(
            f"a token grid of {grid[0]}x{grid[1]} does not divide the size {size[0]}x{size[1]}; take a size "
            f"that it divides"
        )


def object_map(
    label_map: Array, instances: Array | None, passed_over: Collection[int]
) -> tuple[Array, list[int]]:
    """Number the objects of a layout.

    Arguments:
        label_map, instances: (H, W). Without instances an object is a connected component (by edges) of a
            class.
        passed_over: class ids that have no objects: background and ignored ones.

    Returns (H, W) with 0 = none and k = object k, and the class of each object, from k = 1 on. An instance
    has the class of most of its pixels.
    """
    from skimage import measure

    if instances is None:
        away = np.isin(label_map, sorted(passed_over))
        components: Any = measure.label
        return _compact(
            components(np.where(away, 0, label_map.astype(np.int32) + 1), connectivity=1), label_map
        )
    numbered, classes = _compact(instances, label_map)
    kept = np.array([0, *(int(class_id not in passed_over) for class_id in classes)])
    order = np.cumsum(kept) * kept
    return order[numbered], [class_id for class_id in classes if class_id not in passed_over]


def _compact(objects: Array, label_map: Array) -> tuple[Array, list[int]]:
    """Objects renumbered 1.. in order, and the class that covers most of each (the lowest among equals)."""
    values, numbered = np.unique(np.append(objects.ravel(), 0), return_inverse=True)
    numbered = numbered[:-1].reshape(objects.shape)
    winners = _winners(numbered.ravel(), label_map.ravel())
    return numbered, [winners[k] for k in range(1, len(values))]


def _winners(groups: Array, values: Array) -> dict[int, int]:
    """The commonest value of each group, the lowest among equals."""
    width = int(values.max(initial=0)) + 1
    keys, counts = np.unique(groups.astype(np.int64) * width + values, return_counts=True)
    order = np.lexsort((keys, -counts, keys // width))
    group = keys[order] // width
    first = np.append(True, group[1:] != group[:-1])
    return dict(zip(group[first].tolist(), (keys[order][first] % width).tolist(), strict=True))


def kept_objects(
    label_map: Array, instances: Array | None, grid: tuple[int, int], passed_over: Collection[int]
) -> tuple[Counter[int], Counter[int]]:
    """Objects that a layout has, and those that its grid keeps, counted by class.

    Arguments:
        label_map, instances: (H, W), multiples of the grid.
        grid: (h, w).
        passed_over: class ids without objects.
    """
    objects, classes = object_map(label_map, instances, passed_over)
    symbols = label_map.astype(np.int64) if instances is None else _pairs(label_map, objects)
    (height, width), (rows, columns) = label_map.shape, grid
    cell = (np.arange(height) // (height // rows))[:, None] * columns + np.arange(width) // (width // columns)
    winners = _winners(cell.ravel(), symbols.ravel())
    wins = np.array([winners[k] for k in range(rows * columns)])[cell] == symbols
    found = np.unique(objects[wins & (objects > 0)]).tolist()
    return Counter(classes), Counter(classes[k - 1] for k in found)


def kept_as_written(
    label_map: Array, instances: Array | None, written: Callable[[Array], Array], passed_over: Collection[int]
) -> tuple[Counter[int], Counter[int]]:
    """The same where layouts are written in tokens and read again, (H, W) -> (H, W) class ids."""
    objects, classes = object_map(label_map, instances, passed_over)
    of_class = np.array([0, *classes])[objects]
    found = np.unique(objects[(objects > 0) & (written(label_map) == of_class)]).tolist()
    return Counter(classes), Counter(classes[k - 1] for k in found)


def _pairs(label_map: Array, objects: Array) -> Array:
    """One number for each pair of class and object."""
    symbols: Array = objects.astype(np.int64) * (int(label_map.max(initial=0)) + 1) + label_map
    return symbols

"""The objects of a layout: its instances, or the connected pieces of its classes where it has none."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from labelmint.types import Array

__all__ = ["boxes_of", "commonest", "largest", "object_map"]


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


def boxes_of(ids: Array, instances: Array | None, passed_over: Collection[int]) -> Array:
    """Boxes (N, 5) of the objects in a map, in the order of their numbers: the id of most of an object's
    pixels, and x0, y0, x1, y1 in pixels, the last two exclusive.

    Arguments:
        ids: (H, W); below 0 there are no objects. instances: (H, W) or None, as in `object_map`.
        passed_over: ids that have no objects.
    """
    from scipy import ndimage

    shifted = ids.astype(np.int32) + 1  # 0 for what is ignored: numbers that count pixels are not below 0
    away = {0, *(one + 1 for one in passed_over)}
    numbered, classes = object_map(shifted, instances, away)
    rows = [
        (one - 1, across.start, down.start, across.stop, down.stop)
        for one, (down, across) in zip(classes, ndimage.find_objects(numbered), strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


def largest(boxes: Array, most: int) -> Array:
    """The `most` largest of boxes (N, 5) by area, in the order they had; of equals the first."""
    if len(boxes) <= most:
        return boxes
    areas = np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
    kept: Array = boxes[np.sort(np.argsort(-areas, kind="stable")[:most])]
    return kept


def _compact(objects: Array, label_map: Array) -> tuple[Array, list[int]]:
    """Objects renumbered 1.. in order, and the class that covers most of each (the lowest among equals)."""
    values, numbered = np.unique(np.append(objects.ravel(), 0), return_inverse=True)
    numbered = numbered[:-1].reshape(objects.shape)
    winners = commonest(numbered.ravel(), label_map.ravel())
    return numbered, [winners[k] for k in range(1, len(values))]


def commonest(groups: Array, values: Array) -> dict[int, int]:
    """The commonest value of each group, the lowest among equals."""
    width = int(values.max(initial=0)) + 1
    keys, counts = np.unique(groups.astype(np.int64) * width + values, return_counts=True)
    order = np.lexsort((keys, -counts, keys // width))
    group = keys[order] // width
    first = np.append(True, group[1:] != group[:-1])
    return dict(zip(group[first].tolist(), (keys[order][first] % width).tolist(), strict=True))

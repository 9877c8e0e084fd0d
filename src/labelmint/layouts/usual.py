"""What is usual in the data, as far as descriptions refer to it: sizes of objects, and how many are many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmint.layouts.places import SIZES
from labelmint.types import Array

__all__ = ["Usual", "sizes_of"]

_MANY = 0.75  # quantile of the counts of a class, over the layouts that show it
_LEAST_MANY = 2
_NARROWEST = 1e-3  # of a range of sizes, where all objects of a class are of one


class Usual:
    """The objects of given layouts.

    Arguments:
        layouts: of each the objects (N, 5): class id, and x0, y0, x1, y1 in widths and heights of the image.

    Attributes:
        boxes: the boxes (N, 4) of all objects, by class id.
    """

    def __init__(self, layouts: Sequence[Array]) -> None:
        every = np.concatenate([np.zeros((0, 5)), *layouts])
        ids = sorted({int(one) for one in every[:, 0]})
        self.boxes: dict[int, Array] = {one: every[every[:, 0] == one, 1:] for one in ids}
        self._sizes = {one: np.sort(sizes_of(boxes)) for one, boxes in self.boxes.items()}
        self._counts = {
            one: [n for layout in layouts if (n := int((layout[:, 0] == one).sum()))] for one in ids
        }

    def many(self, class_id: int) -> int:
        """From how many objects of a class on there are many of it."""
        counts = self._counts.get(class_id, [])
        return max(int(np.ceil(np.quantile(counts, _MANY))) if counts else 0, _LEAST_MANY)

    def sizes(self, class_id: int, size: str | None) -> tuple[float, float]:
        """From which to which sqrt(area of the box / area of the image) objects of a class are of a size."""
        known = self._sizes.get(class_id)
        if size is None or known is None:
            return 0.0, 1.0
        low, high = SIZES[size]
        least = float(np.quantile(known, low)) if low else 0.0
        most = float(np.quantile(known, high)) if high < 1 else 1.0
        least = min(least, 1 - _NARROWEST)
        return least, max(most, least + _NARROWEST)


def sizes_of(boxes: Array) -> Array:
    """sqrt(area) of boxes (N, 4)."""
    found: Array = np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1))
    return found

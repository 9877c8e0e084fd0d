"""A move: where one view of an image is cut out, and how it is magnified, mirrored and turned.

    (x, y)  ->  ((x - left) zoom, (y - top) zoom),    cut off at the view, mirrored, turned by quarters

One move takes an image, its maps and its boxes to the same view. Ids are never blended: a magnified map takes
the id at each new pixel's center.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from labelmint.types import Array

__all__ = ["LEAST_SHARE", "Move", "clipped"]

LEAST_SHARE = 0.2  # of its area: a box of which a view shows less is left out there


@dataclass(frozen=True, kw_only=True)
class Move:
    """One view of an image.

    Arguments:
        size: (H, W) of the view before it is turned; square where it is turned by a quarter.
        top, left: where the cut begins, in pixels of the image.
        zoom: how much the cut is magnified; None takes its pixels as they are, and needs whole numbers above.
        mirrored: axes, rows 0 and columns 1.
        quarters: turns by 90 degrees, counterclockwise, after mirroring.
    """

    size: tuple[int, int]
    top: float
    left: float
    zoom: float | None = None
    mirrored: tuple[int, ...] = ()
    quarters: int = 0

    def image(self, image: Array) -> Array:
        """The view (H, W, C) of an image uint8."""
        if self.zoom is None:
            return self._turned(self._cut(image))
        height, width = (want / self.zoom for want in self.size)
        flat = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        box = (self.left, self.top, self.left + width, self.top + height)
        seen = flat.resize(self.size[::-1], Image.Resampling.BILINEAR, box=box)
        return self._turned(np.asarray(seen).reshape(*self.size, image.shape[2]))

    def ids(self, ids: Array) -> Array:
        """The view (H, W) of a map of ids."""
        if self.zoom is None:
            return self._turned(self._cut(ids))
        rows, columns = (
            (start + (np.arange(want) + 0.5) / self.zoom).astype(int)
            for start, want in zip((self.top, self.left), self.size, strict=True)
        )
        return self._turned(ids[rows[:, None], columns[None]])

    def boxes(self, boxes: Array) -> Array:
        """Boxes (N, 5), a number and x0, y0, x1, y1 in pixels, as the view has them, in the same order.

        Boxes are clipped; those that keep less than `LEAST_SHARE` of their area, or a side shorter than a
        pixel, are left out: so every box that is left has a pixel's center inside.
        """
        zoom = 1.0 if self.zoom is None else self.zoom
        moved = (boxes[:, 1:] - [self.left, self.top] * 2) * zoom
        kept = clipped(np.concatenate([boxes[:, :1], moved], axis=1), self.size)
        height, width = self.size
        number, x0, y0, x1, y1 = kept.T
        if 0 in self.mirrored:
            y0, y1 = height - y1, height - y0
        if 1 in self.mirrored:
            x0, x1 = width - x1, width - x0
        for _ in range(self.quarters):
            x0, y0, x1, y1 = y0, width - x1, y1, width - x0
            height, width = width, height
        return np.stack([number, x0, y0, x1, y1], axis=1)

    def _cut(self, values: Array) -> Array:
        top, left = int(self.top), int(self.left)
        return values[top : top + self.size[0], left : left + self.size[1]]

    def _turned(self, values: Array) -> Array:
        for axis in self.mirrored:
            values = np.flip(values, axis)
        return np.rot90(values, self.quarters) if self.quarters else values


def clipped(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes (N, 5) cut off at the edges of (H, W), without those of which too little is left."""
    height, width = size
    inside = np.clip(boxes[:, 1:], 0, [width, height] * 2)
    sides = inside[:, 2:] - inside[:, :2]
    share = np.prod(sides, axis=1) >= LEAST_SHARE * np.prod(boxes[:, 3:] - boxes[:, 1:3], axis=1)
    shown = share & (sides >= 1).all(axis=1)
    kept: Array = np.concatenate([boxes[:, :1], inside], axis=1)[shown]
    return kept

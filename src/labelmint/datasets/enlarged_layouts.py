"""Layouts at a whole multiple of their size, and images back from it.

Every pixel of a map becomes a square of as many, so no class comes or goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from labelmint.formats.painting import decode
from labelmint.types import Array, Layout, LayoutObject

__all__ = ["averaged", "enlarged_layout", "repeated"]


def enlarged_layout(layout: Layout, factor: int) -> Layout:
    """A layout with `factor` times as many pixels a side: maps by the nearest pixel; boxes, polygons and run lengths of
    objects scaled alike.
    """
    return Layout(
        label_map=repeated(layout.label_map, factor),
        instances=None if layout.instances is None else repeated(layout.instances, factor),
        objects=tuple(_enlarged(one, factor, layout.size) for one in layout.objects),
    )


def repeated(ids: Array, factor: int) -> Array:
    """A map (h, w), or an image (h, w, C), each pixel of which is a square of factor x factor."""
    return ids.repeat(factor, axis=0).repeat(factor, axis=1)


def averaged(image: Array, factor: int) -> Array:
    """An image (H, W, C) uint8 as the means of its squares of factor x factor, of which its sides are multiples."""
    if factor == 1:
        return image
    height, width, channels = image.shape
    squares = image.reshape(height // factor, factor, width // factor, factor, channels)
    found: Array = np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)
    return found


def _enlarged(one: LayoutObject, factor: int, size: tuple[int, int]) -> LayoutObject:
    x0, y0, x1, y1 = (edge * factor for edge in one.box)
    polygons = one.polygons
    if polygons is not None:
        polygons = tuple(tuple(value * factor for value in polygon) for polygon in polygons)
    rle = None if one.rle is None else _encoded(repeated(decode(one.rle, size), factor))
    return replace(one, box=(x0, y0, x1, y1), polygons=polygons, rle=rle)


def _encoded(binary: Array) -> Mapping[str, Any]:
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(binary.astype(np.uint8)))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode("ascii")}

"""What annotation tools draw and label maps do not know: circles, ellipses, turned boxes, and shapes that a group
joins into one object.

A circle or an ellipse is the polygon through n of its points, n so large that it departs from it by at most 0.1
pixel: r (1 - cos(pi / n)) <= 0.1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.painting import box_of, decode, rle_of
from labelmint.formats.shapes import rle_of_window
from labelmint.types import Array, LayoutObject

__all__ = [
    "Shape",
    "around",
    "boxed",
    "clipped",
    "ellipse",
    "free_groups",
    "inside",
    "joined",
    "of_polygon",
    "of_window",
    "turned_box",
]

DEPARTS = 0.1  # pixels
Box = tuple[float, float, float, float]
Points = tuple[float, ...]  # x0, y0, x1, y1, ...
Size = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """A shape of an annotation file.

    Arguments:
        one: the object that it is alone. group: of shapes that belong together, or None.
        joins: True where a group of the same class makes one object of them.
        box: of the whole object, where the file says another than that around the shape.
    """

    one: LayoutObject
    group: int | None = None
    joins: bool = True
    box: Box | None = None


def ellipse(cx: float, cy: float, rx: float, ry: float, turned: float = 0.0) -> Points:
    """An ellipse as a polygon; `turned` by degrees, clockwise as seen."""
    larger = max(rx, ry)
    step = math.acos(max(1 - DEPARTS / larger, 0.0)) if larger > DEPARTS else 1.0
    n = max(math.ceil(math.pi / max(step, 1e-3)), 12)
    angles = [2 * math.pi * i / n for i in range(n)]
    return _turned([(rx * math.cos(a), ry * math.sin(a)) for a in angles], (cx, cy), turned)


def turned_box(box: Box, turned: float) -> Points:
    """The corners of a box that is turned around its center by degrees, clockwise as seen."""
    x0, y0, x1, y1 = box
    w, h = (x1 - x0) / 2, (y1 - y0) / 2
    return _turned([(-w, -h), (w, -h), (w, h), (-w, h)], ((x0 + x1) / 2, (y0 + y1) / 2), turned)


def _turned(points: Sequence[tuple[float, float]], center: tuple[float, float], degrees: float) -> Points:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple(
        number for x, y in points for number in (center[0] + c * x - s * y, center[1] + s * x + c * y)
    )


def inside(points: Points, size: Size) -> Points:
    """The part of a polygon that lies in an image, cut at one border after the other (Sutherland and Hodgman
    1974); empty where nothing does.
    """
    kept = list(zip(points[::2], points[1::2], strict=True))
    for axis, sign, limit in ((0, 1, 0), (0, -1, -size[1]), (1, 1, 0), (1, -1, -size[0])):
        cut: list[tuple[float, float]] = []
        for a, b in pairwise([*kept[-1:], *kept]):
            before, depth = sign * a[axis] - limit, sign * b[axis] - limit  # above 0 inside
            if (before >= 0) != (depth >= 0):
                other = a[1 - axis] + before / (before - depth) * (b[1 - axis] - a[1 - axis])
                border = float(sign * limit)  # exactly, not as rounding has it
                cut.append((other, border) if axis else (border, other))
            cut += [b] if depth >= 0 else []
        kept = cut
    return tuple(number for point in kept for number in point) if len(kept) > 2 else ()


def clipped(points: Points, size: Size, what: str) -> Points:
    """`inside`; raises InputError where the polygon lies outside of its image."""
    if not all(map(math.isfinite, points)):
        raise InputError(f"{what} is too large to be a shape of its image; mend its numbers")
    kept = inside(points, size)
    if not kept:
        raise InputError(f"{what} lies outside its image of {size[0]}x{size[1]} pixels (height x width)")
    return kept


def of_polygon(class_id: int, points: Points, attributes: Mapping[str, Any]) -> LayoutObject:
    """An object of one polygon, with the box around it."""
    polygons = (points,)
    return LayoutObject(class_id=class_id, box=around(polygons), polygons=polygons, attributes=attributes)


def around(polygons: Sequence[Points]) -> Box:
    """The box around polygons."""
    xs, ys = [x for points in polygons for x in points[::2]], [y for points in polygons for y in points[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def boxed(one: LayoutObject, size: Size) -> Box:
    """The box that an object would have if its shape alone were known; that of the first pixel for a shape of none."""
    if one.rle is not None:
        pixels = decode(one.rle, size)
        return box_of(pixels) if pixels.any() else (0.0, 0.0, 1.0, 1.0)
    return one.box if one.polygons is None else around(one.polygons)


def of_window(class_id: int, pixels: Array, left: int, top: int, size: Size, what: str) -> LayoutObject:
    """An object of the true pixels of a window of its image. Raises InputError where it reaches outside.

    The work grows with the window, not with the image.
    """
    height, width = pixels.shape
    if not (0 <= left <= left + width <= size[1] and 0 <= top <= top + height <= size[0]):
        raise InputError(
            f"{what} is a mask of {height}x{width} pixels (height x width) at ({left}, {top}), outside its image of "
            f"{size[0]}x{size[1]}; export it again"
        )
    rle = rle_of_window(pixels, left, top, size)
    x0, y0, x1, y1 = box_of(pixels) if pixels.any() else (-left, -top, 1 - left, 1 - top)
    return LayoutObject(class_id=class_id, box=(x0 + left, y0 + top, x1 + left, y1 + top), rle=rle)


def _rle_from(binary: Array) -> dict[str, Any]:
    """The run lengths of an (H, W) array of booleans, compressed as COCO has it."""
    from pycocotools import mask as coco

    encoded = coco.encode(np.asfortranarray(binary.astype(np.uint8)))
    return {"size": [int(part) for part in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def joined(shapes: Iterable[Shape], size: Size) -> tuple[LayoutObject, ...]:
    """The objects of an image in order of their first shapes; shapes that join, of one class and group, are one."""
    together: dict[Any, list[Shape]] = {}
    for number, shape in enumerate(shapes):
        key = (shape.one.class_id, shape.group) if shape.joins and shape.group is not None else number
        together.setdefault(key, []).append(shape)
    found = ((_one(some, size), some[0].box) for some in together.values())
    return tuple(one if box is None else replace(one, box=box) for one, box in found)


def _one(shapes: Sequence[Shape], size: Size) -> LayoutObject:
    first = shapes[0]
    if len(shapes) == 1:
        alone = {} if first.group is None else {"group_id": first.group}
        return replace(first.one, attributes={**first.one.attributes, **alone})
    parts = [shape.one for shape in shapes]
    attributes: dict[str, Any] = {}
    for part in reversed(parts):
        attributes.update(part.attributes)
    whole = replace(first.one, attributes=attributes, crowd=any(part.crowd for part in parts))
    if all(part.rle is None for part in parts):
        polygons = tuple(points for part in parts for points in part.polygons or (turned_box(part.box, 0.0),))
        return replace(whole, polygons=polygons, box=around(polygons))
    pixels = np.zeros(size, dtype=bool)
    for part in parts:
        drawn = part if part.rle or part.polygons else of_polygon(0, turned_box(part.box, 0.0), {})
        pixels |= decode(rle_of(drawn, size) or {}, size)
    found = replace(whole, rle=_rle_from(pixels), polygons=None)
    return replace(found, box=boxed(found, size))


def free_groups(objects: Sequence[LayoutObject], least: int = 0) -> dict[int, int]:
    """The group of each object, by its place: its own "group_id" where it is at least `least` and no other of its class
    has it, and a free number for an object of several polygons.
    """
    own = [(one.class_id, _group(one, least)) for one in objects]
    often = Counter(own)
    single = [one.rle is not None or len(one.polygons or ((),)) == 1 for one in objects]
    kept = {
        i: group
        for i, (class_id, group) in enumerate(own)
        if group is not None and single[i] and often[class_id, group] == 1
    }
    number = max((group for _, group in own if group is not None), default=0)
    for i in (i for i in range(len(objects)) if not single[i]):
        number += 1
        kept[i] = number
    return kept


def _group(one: LayoutObject, least: int) -> int | None:
    group = one.attributes.get("group_id")
    return group if type(group) is int and least <= group < 2**31 else None

"""What the words of a description mean: places as regions of the image, sizes as shares of a class's objects,
relations between boxes.

    in the upper left            the center of the box has x <= 0.4 and y <= 0.4, of the image's width and height
    left half, third             x <= 1/2, 1/3; a quarter is x <= 1/2 and y <= 1/2
    corner, edge                 x <= 1/4 and y <= 1/4; x <= 0.15
    center                       x and y in [0.3, 0.7]
    tiny, small, medium, large, huge
                                 the least 10 %, a third, the middle third, the upper third, the largest 10 % of the
                                 class's objects in the data, by sqrt(area of the box / area of the image)
    a left of b                  the center of a lies in the quarter to the left of b's center: dx < 0, |dx| >= |dy|
    a next to b                  the boxes are no farther apart than the mean of their two sizes
    a inside b                   at least 0.9 of a's area lies in b, which is larger

All lengths of relations are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import TypeAlias

import numpy as np

from labelmint.types import Array

__all__ = ["RELATIONS", "SIZES", "Region", "centers", "common", "in_any", "regions_of", "related"]

Region: TypeAlias = tuple[float, float, float, float]  # x0, y0, x1, y1, in widths and heights of the image

SIZES: Mapping[str, tuple[float, float]] = {  # between which quantiles of a class's sizes
    "tiny": (0.0, 0.1),
    "small": (0.0, 1 / 3),
    "medium": (1 / 3, 2 / 3),
    "large": (2 / 3, 1.0),
    "huge": (0.9, 1.0),
}
_DEEP = {"half": 0.5, "third": 1 / 3, "quarter": 0.5, "corner": 0.25, "edge": 0.15}
_SIDE, _CENTER = 0.4, (0.3, 0.7)
_INSIDE = 0.9


def regions_of(place: str) -> tuple[Region, ...]:
    """The regions of which a box's center lies in one, of a place in its own words, as in "upper left corner"."""
    words = place.split()
    across = [word for word in words if word in ("left", "right")]
    down = [word for word in words if word in ("top", "upper", "bottom", "lower")]
    kind = next((word for word in words if word in _DEEP), "")
    deep = _DEEP.get(kind, _SIDE)
    if kind == "quarter" and not (across and down):
        deep = 0.25
    if kind == "edge" and not across and not down:
        return tuple(one for side in ("left", "right", "top", "bottom") for one in regions_of(f"{side} edge"))
    if kind == "corner":
        across, down = across or ["left", "right"], down or ["top", "bottom"]
    middle = _CENTER if "center" in words else (0.0, 1.0)
    xs = [_side(word == "left", deep) for word in across] or [middle]
    ys = [_side(word in ("top", "upper"), deep) for word in down] or [middle]
    return tuple((x0, y0, x1, y1) for (y0, y1), (x0, x1) in product(ys, xs))


def _side(low: bool, deep: float) -> tuple[float, float]:
    return (0.0, deep) if low else (1 - deep, 1.0)


def common(places: tuple[str, ...]) -> tuple[Region, ...]:
    """The regions that several places share; the whole image without any, and none where they share nothing."""
    found: tuple[Region, ...] = ((0.0, 0.0, 1.0, 1.0),)
    for place in places:
        both = [
            (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
            for a, b in product(found, regions_of(place))
        ]
        found = tuple(one for one in both if one[0] < one[2] and one[1] < one[3])
    return found


def centers(boxes: Array) -> Array:
    """Centers (N, 2), x and y, of boxes (N, 4)."""
    found: Array = (boxes[:, :2] + boxes[:, 2:]) / 2
    return found


def in_any(points: Array, regions: tuple[Region, ...], slack: float = 1e-6) -> Array:
    """Which of the points (N, 2) lie in one of the regions, (N,)."""
    inside = np.zeros(len(points), bool)
    for x0, y0, x1, y1 in regions:
        low, high = np.array([x0, y0]) - slack, np.array([x1, y1]) + slack
        inside |= ((points >= low) & (points <= high)).all(axis=1)
    return inside


# Relations --------------------------------------------------------------------------------------------------


def _areas(boxes: Array) -> Array:
    found: Array = np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)
    return found


def _toward(axis: int, sign: int) -> Callable[[Array, Array], Array]:
    """Relation of centers: the step from b to a goes that way along an axis, and at least as far as along the other."""

    def holds(a: Array, b: Array) -> Array:
        step = centers(a)[:, None] - centers(b)[None]
        ahead = sign * step[..., axis]
        found: Array = (ahead > 0) & (ahead >= np.abs(step[..., 1 - axis]))
        return found

    return holds


def _next_to(a: Array, b: Array) -> Array:
    gaps = np.maximum(a[:, None, :2] - b[None, :, 2:], b[None, :, :2] - a[:, None, 2:])
    apart = np.hypot(*np.moveaxis(np.maximum(gaps, 0), -1, 0))
    sizes = (np.sqrt(_areas(a))[:, None] + np.sqrt(_areas(b))[None]) / 2
    found: Array = apart <= sizes
    return found


def _inside(a: Array, b: Array) -> Array:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    large = (shared >= _INSIDE * _areas(a)[:, None]) & (_areas(b)[None] > _areas(a)[:, None])
    found: Array = large & (low <= high).all(axis=-1)  # what has no area shares all of it with anything
    return found


RELATIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "left of": _toward(0, -1),
    "right of": _toward(0, 1),
    "above": _toward(1, -1),
    "below": _toward(1, 1),
    "next to": _next_to,
    "inside": _inside,
}


def related(relation: str, boxes: Array, others: Array) -> Array:
    """Which of the boxes (N, 4) stand in a relation to which of the others (M, 4), in pixels: (N, M)."""
    return RELATIONS[relation](boxes, others)

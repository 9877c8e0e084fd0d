"""Outlines of masks along the edges of their pixels, and several outlines joined into one.

An outline runs through the corners of pixels, the object on its right hand (clockwise in an image): filled by the
even-odd rule at the centers of pixels, as COCO's tools and `painting` fill, outlines and holes together give back the
mask exactly. Pixels that meet in a corner only are two pieces, as everywhere (`objects_from_instances`), and then have
an outline each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelmint.types import Array, Polygons

__all__ = ["Outlines", "joined", "outlines_of"]

Polygon = tuple[float, ...]


class Outlines(NamedTuple):
    """The outlines of a mask, each x0, y0, x1, y1, ... in pixels: those around its pieces, and those around its
    holes.
    """

    rings: Polygons
    holes: Polygons


class _Edges(NamedTuple):
    """Straight edges of one direction: along, the coordinate on which they lie; start, stop on the other axis."""

    line: Array
    start: Array
    stop: Array


def outlines_of(mask: Array) -> Outlines:
    """The outlines around the true pixels of an (H, W) array and around the holes in them, from top left on; none for
    an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return Outlines((), ())
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.int8), 1)
    # an upper edge leads to the right and a lower one to the left, a right edge down and a left one up
    across = _runs((inside[1:] - inside[:-1])[:, 1:-1])
    down = _runs((inside[:, :-1] - inside[:, 1:])[1:-1].T)
    follows = _following(across, down, inside.shape[1])
    starts = [*zip(across.start.tolist(), across.line.tolist(), strict=True)]
    starts += zip(down.line.tolist(), down.start.tolist(), strict=True)
    found: dict[bool, list[Polygon]] = {True: [], False: []}
    for ring in _rings(follows, len(across.line)):
        points = [starts[edge] for edge in ring]
        polygon = tuple(float(n) for x, y in points for n in (x + left, y + top))
        found[_turns_right(points)].append(polygon)
    return Outlines(tuple(found[True]), tuple(found[False]))


def joined(outlines: Sequence[Sequence[float]]) -> Polygon:
    """One outline that runs through all of some, from each to the next and back over one line of no width between
    points that lie near each other.

    By the even-odd rule it covers what an odd number of them cover: pieces that do not overlap, less their holes.
    """
    rings = [np.asarray(outline, dtype=np.float64).reshape(-1, 2) for outline in outlines]
    if len(rings) < 2:
        return tuple(float(number) for outline in outlines for number in outline)
    entered, there, back = rings[0], [], []
    for following in rings[1:]:
        leaving, entering = _nearest(entered, following)
        there.append(entered[: leaving + 1])
        back.append(np.concatenate([entered[leaving:], entered[:1]]))
        entered = np.concatenate([following[entering:], following[:entering]])
    path = np.concatenate([*there, entered, entered[:1], *reversed(back)])
    return tuple(
        path[:-1].ravel().tolist()
    )  # the last point is the first, to which an outline leads by itself


def _runs(steps: Array) -> _Edges:
    """The edges along the lines of `steps`, each a run of equal values: 1 leads up the axis, -1 back."""
    wide = np.pad(steps, ((0, 0), (1, 1)))
    changes = wide[:, 1:] != wide[:, :-1]
    line, begin = np.nonzero(changes & (wide[:, 1:] != 0))
    end = np.nonzero(changes & (wide[:, :-1] != 0))[1]
    forward = steps[line, begin] > 0
    return _Edges(line, np.where(forward, begin, end), np.where(forward, end, begin))


def _following(across: _Edges, down: _Edges, width: int) -> list[int]:
    """The edge after each: at a corner where two begin, the one to the right, so that pixels that meet in it part."""
    rightward, downward = across.stop > across.start, down.stop > down.start
    after_across = _beginning(
        across.line * width + across.stop, down.start * width + down.line, rightward, downward
    )
    after_down = _beginning(
        down.stop * width + down.line, across.line * width + across.start, ~downward, rightward
    )
    return [*(after_across + len(across.line)).tolist(), *after_down.tolist()]


def _beginning(corners: Array, starts: Array, wanted: Array, forward: Array) -> Array:
    """The edge that begins at each corner, of two there the one that leads as is wanted: forward or back."""
    order = np.lexsort((forward, starts))
    first = np.searchsorted(starts[order], corners)
    second = np.minimum(first + 1, len(order) - 1)
    several = (starts[order[second]] == corners) & (second > first)
    return order[np.where(several & wanted, second, first)]


def _rings(follows: list[int], count: int) -> list[list[int]]:
    """The closed chains of edges, each from its first of the `count` edges across."""
    rings, taken = [], bytearray(len(follows))
    for first in range(count):
        edge, ring = first, []
        while not taken[edge]:
            taken[edge] = 1
            ring.append(edge)
            edge = follows[edge]
        if ring:
            rings.append(ring)
    return rings


def _turns_right(points: Sequence[tuple[int, int]]) -> bool:
    """True for a ring around a piece, False for one around a hole, by the sign of its area."""
    following = (*points[1:], points[0])
    return sum(x * b - a * y for (x, y), (a, b) in zip(points, following, strict=True)) > 0


def _nearest(one: Array, other: Array) -> tuple[int, int]:
    """Places of a point of each that lie nearest each other."""
    from scipy.spatial import KDTree

    distances, places = KDTree(one).query(other)
    entering = int(distances.argmin())
    return int(places[entering]), entering

"""Retrieval: which layouts have objects where a query has them.

    score(q, l) = sum over c of |P_c & B_c| / sum over c of |P_c | B_c|,    c the classes that q has boxes of       (1)

B_c are the cells of q's boxes of class c together, P_c those that layout l has of it: the cells of its boxes, which is
the paper's form, or the cells of its map that show the class, which is that of the authors' code. Cells are those of a
grid of 64 a side, whatever the size of the images. Of layouts of equal score the first come first; one that has nothing
in common with the query is not found.

Fast and exact: a class of a layout is 64 words of 64 bits, whose ones a processor counts at once, and before that

    |P_c & B_c| <= min(|B_c|, |P_c|, sum over boxes b of min(|b|, |P_c & b'|))                                     (2)

where b' is b widened to the lines of a coarse grid, of whose rectangles the counts are kept as sums from the corner, so
that four of these make one. A layout is counted only where (2) leaves it a chance to be among the best.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (Li et al., 2020): Section 3.1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from labelmint.types import Array

__all__ = [
    "CELLS",
    "Shown",
    "Tables",
    "in_cells",
    "nearest",
    "shown_boxes",
    "shown_maps",
    "tables_bytes",
    "tables_of",
]

CELLS = 64  # a side

_LINES = np.array([*range(0, CELLS, 5), CELLS])  # of the coarse grid
_BELOW = (
    np.searchsorted(_LINES, np.arange(CELLS + 1), "right") - 1
)  # the last line at or before an edge of cells
_ABOVE = np.searchsorted(_LINES, np.arange(CELLS + 1), "left")  # the first line at or behind it
_SPANS = np.array(
    [[(1 << max(last, first)) - (1 << first) for last in range(CELLS + 1)] for first in range(CELLS + 1)],
    np.uint64,
)  # a row of the cells first ... last - 1
_FIRST, _SAMPLED = 64, 16  # about how many layouts are counted to begin with, chosen by every 16th bound
_LEAST = 1e-9  # below every score above 0
_AT_ONCE = 512  # maps that are looked at together
_ONES: Array = np.array([bin(number).count("1") for number in range(1 << 16)], np.uint8)  # of 16 bits


class Shown(NamedTuple):
    """Where layouts show a class.

    Attributes:
        layouts: (n,) which layouts do, in order. words: (n, 64) uint64, a row of cells each, the first cell lowest.
    """

    layouts: Array
    words: Array


class Tables(NamedTuple):
    """What N layouts are searched by, for each of K classes.

    Attributes:
        layouts: those that show the class, each (n,). sums: their counts within (0, 0) and each crossing of the lines,
            each (lines * lines, n) uint16. areas: (K, N), cells of the class.
        place: (K, N), the row of `words` that holds the class of a layout; 0 where it has none.
        words: (rows, 64) uint64, of all; row 0 is empty.
    """

    layouts: list[Array]
    sums: list[Array]
    areas: Array
    place: Array
    words: Array

    def __len__(self) -> int:
        return int(self.areas.shape[1])


def in_cells(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes (N, 5) in pixels of an image of (H, W) as the cells whose centers they cover, at least one: (N, 5) int16,
    what stands first in each row and x0, y0, x1, y1 in cells, the last two exclusive.
    """
    sides = CELLS / np.array([size[1], size[0]])
    first, last = (np.ceil(boxes[:, k : k + 2] * sides - 0.5).clip(0, CELLS) for k in (1, 3))
    middle = np.floor((boxes[:, 1:3] + boxes[:, 3:]) / 2 * sides).clip(0, CELLS - 1)
    thin = last <= first
    corners = np.where(thin, middle, first), np.where(thin, middle + 1, last)
    return np.concatenate([boxes[:, :1], *corners], axis=1).astype(np.int16)


def shown_boxes(boxes: Array, classes: int) -> list[Shown]:
    """The cells that the boxes (N, n, 5) of layouts, class and cells, padded with -1, cover, by class."""
    found = []
    for one in range(classes):
        rows, which = np.nonzero(boxes[..., 0] == one)
        layouts, number = np.unique(rows, return_inverse=True)
        words = np.zeros((len(layouts), CELLS), np.uint64)
        np.bitwise_or.at(words, number, _words_of(boxes[rows, which, 1:]))
        found.append(Shown(layouts, words))
    return found


def shown_maps(maps: Array, classes: int, wanted: Iterable[int]) -> list[Shown]:
    """The cells where the maps (N, 64, 64) of layouts show each class; none of one that is not wanted."""
    shows = np.zeros((len(maps), classes), bool)
    for first in range(0, len(maps), _AT_ONCE):
        some = maps[first : first + _AT_ONCE].reshape(-1, CELLS * CELLS).astype(np.int64)
        flat = (some + np.arange(len(some))[:, None] * classes).ravel()
        shows[first : first + _AT_ONCE] = (
            np.bincount(flat, minlength=len(some) * classes).reshape(-1, classes) > 0
        )
    found, chosen = [], set(wanted)
    for one in range(classes):
        layouts = np.flatnonzero(shows[:, one] if one in chosen else np.zeros(len(maps), bool))
        bits = np.packbits(maps[layouts] == one, axis=2, bitorder="little")
        found.append(Shown(layouts, bits.view("<u8").reshape(len(layouts), CELLS)))
    return found


def tables_of(shown: Sequence[Shown], count: int) -> Tables:
    """Tables of `count` layouts, by what they show of each class."""
    areas, place = np.zeros((len(shown), count), np.float32), np.zeros((len(shown), count), np.int32)
    sums, words = list[Array](), [np.zeros((1, CELLS), np.uint64)]
    before = np.array([(1 << int(line)) - 1 for line in _LINES], np.uint64)
    for one, (layouts, own) in enumerate(shown):
        within = [_ones(own & low).cumsum(axis=1, dtype=np.uint16) for low in before]
        corner = np.zeros((len(_LINES), len(_LINES), len(layouts)), np.uint16)  # down, across
        for across, each in enumerate(within):
            corner[1:, across] = each[:, _LINES[1:] - 1].T
        sums.append(corner.reshape(len(_LINES) ** 2, len(layouts)))
        areas[one, layouts] = corner[-1, -1]
        place[one, layouts] = np.arange(len(layouts)) + sum(map(len, words))
        words.append(own)
    return Tables([each.layouts for each in shown], sums, areas, place, np.concatenate(words))


def tables_bytes(classes: int, shown: int, count: int) -> int:
    """Memory that the tables of `count` layouts take, each of which shows so many of so many classes, in bytes."""
    words, sums = 8 * CELLS, 2 * len(_LINES) ** 2
    return words + count * (shown * (8 + words + sums) + 8 * classes)


def nearest(tables: Tables, boxes: Array, count: int, left_out: Array | None = None) -> Array:
    """Places (at most `count`,) of the layouts of the highest score above 0, the best first; Equation (1).

    Arguments:
        boxes: (n, 5) of the query, class and cells. left_out: (N,) booleans, layouts that are not to be found.
    """
    parts = _parts_of(boxes)
    if not parts or not len(tables):
        return np.zeros(0, np.int64)
    areas = np.full(len(tables), sum(part.area for part in parts), np.float32)
    most = np.zeros(len(tables), np.float32)
    for part in parts:
        areas += tables.areas[part.of]
        layouts = tables.layouts[part.of]
        if len(layouts) == len(tables):
            most += _bounds(tables.sums[part.of], part)
        else:
            most[layouts] += _bounds(tables.sums[part.of], part)
    # No part is empty, so neither is a union. Single precision counts cells exactly, and rounds shares.
    bounds = most / (areas - most) * np.float32(1 + 1e-6)
    if left_out is not None:
        bounds[left_out] = 0
    rows = np.flatnonzero(bounds >= max(_about_the(max(_FIRST, count), bounds), _LEAST))
    scores = _scores(tables, parts, areas, rows)
    least = np.partition(scores, -count)[-count] if len(rows) >= count else 0.0
    rows = np.flatnonzero(bounds >= max(least, _LEAST))
    scores = _scores(tables, parts, areas, rows)
    best = np.lexsort((rows, -scores))[:count]
    found: Array = rows[best[scores[best] > 0]]
    return found


class _Part(NamedTuple):
    """A class of a query: its boxes (x0, y0, x1, y1), how many cells they cover, in which rows, first ... last - 1, and
    the words of these.
    """

    of: int
    boxes: list[list[int]]
    area: int
    first: int
    last: int
    words: Array


def _parts_of(boxes: Array) -> list[_Part]:
    """The classes of a query, of boxes (n, 5), in order."""
    own: dict[int, list[list[int]]] = {}
    for one, *corners in boxes.tolist():
        own.setdefault(one, []).append(corners)
    found = []
    for one in sorted(own):
        words = np.zeros(CELLS, np.uint64)
        for x0, y0, x1, y1 in own[one]:
            words[y0:y1] |= _SPANS[x0, x1]
        first, last = min(y0 for _, y0, *_ in own[one]), max(y1 for *_, y1 in own[one])
        found.append(_Part(one, own[one], int(_ones(words).sum()), first, last, words[first:last]))
    return found


def _bounds(sums: Array, part: _Part) -> Array:
    """(n,) Equation (2): more than which no layout that shows a class shares with a query."""
    total = np.zeros(sums.shape[1], np.uint16)
    for x0, y0, x1, y1 in part.boxes:
        left, right = _BELOW[x0], _ABOVE[x1]
        up, down = _BELOW[y0] * len(_LINES), _ABOVE[y1] * len(_LINES)
        within = sums[down + right] - sums[up + right]
        within -= sums[down + left]
        within += sums[up + left]
        total += np.minimum(within, (x1 - x0) * (y1 - y0), out=within)
        np.minimum(total, part.area, out=total)
    return total


def _scores(tables: Tables, parts: Sequence[_Part], areas: Array, rows: Array) -> Array:
    """Equation (1) of some layouts. Arguments: areas: (N,), of layouts and query together."""
    shared = np.zeros(len(rows), np.int64)
    for part in parts:
        own = tables.words[tables.place[part.of, rows], part.first : part.last]
        shared += _ones(own & part.words).sum(axis=1, dtype=np.int64)
    found: Array = shared / (areas[rows].astype(np.float64) - shared)
    return found


def _about_the(rank: int, values: Array) -> float:
    """About the rank-th highest of values, by a sample; the lowest of few."""
    sample = values[::_SAMPLED] if len(values) > rank * _SAMPLED else values
    place = max(rank * len(sample) // max(len(values), 1), 1)
    return float(np.partition(sample, -place)[-place]) if place <= len(sample) else 0.0


def _words_of(boxes: Array) -> Array:
    """Boxes (n, 4) in cells as words (n, 64)."""
    x0, y0, x1, y1 = boxes.T[..., None]
    rows = np.arange(CELLS)
    return np.where((rows >= y0) & (rows < y1), _SPANS[x0, x1], np.uint64(0))


def _ones(words: Array) -> Array:
    """How many bits of each word are set."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2
        counts: Array = np.bitwise_count(words)
        return counts
    parts = np.ascontiguousarray(words).view(np.uint16).reshape(*words.shape, 4)
    total: Array = _ONES[parts].sum(axis=-1, dtype=np.uint8)
    return total

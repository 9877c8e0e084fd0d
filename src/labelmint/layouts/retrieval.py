"""Retrieval: which layouts have objects where a query has them.

    score(q, l) = sum over c of |P_c & B_c| / sum over c of |P_c | B_c|,    c the classes that q has boxes of       (1)

B_c are the cells of q's boxes of class c together, P_c those that layout l has of it: the cells of its boxes, which is
the paper's form, or the cells of its map that show the class, which is that of the authors' code. Cells are those of a
grid of 64 a side, whatever the size of the images. Of layouts of equal score the first come first; one that has nothing
in common with the query is not found.

Fast and exact: a class of a layout is 64 words of 64 bits, whose ones a processor counts at once, and before that

    |P_c & B_c| <= sum over tiles t of min(|P_c & t|, |B_c & t|)                                                   (2)

where tiles are squares of 8 cells a side, and only those matter that B_c has cells in. Where either of the two covers a
tile or has nothing there, (2) is no more than they share. A layout is counted only where (2) leaves it a chance to be
among the best.

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

_TILE = 8  # cells a side; a byte of a word is a row of one
_SPANS = np.array(
    [[(1 << max(last, first)) - (1 << first) for last in range(CELLS + 1)] for first in range(CELLS + 1)],
    np.uint64,
)  # a row of the cells first ... last - 1
_FIRST, _SAMPLED = 32, 8  # about how many layouts are counted to begin with, chosen by every 8th bound
_LEAST = 1e-9  # below every score above 0
_AT_ONCE = 512  # layouts that are looked at together
_ONES: Array = np.array([bin(number).count("1") for number in range(1 << 8)], np.uint8)  # of a byte


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
        layouts: those that show the class, each (n,).
        tiles: their cells of it in each tile, each (64, n) uint8; (64, N), of all, where most layouts show the class.
        areas: (K, N), cells of the class.
        place: (K, N), the row of `words` that holds the class of a layout; 0 where it has none.
        words: (rows, 64) uint64, of all; row 0 is empty.
    """

    layouts: list[Array]
    tiles: list[Array]
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
    cells = np.ceil(boxes[:, 1:] * np.tile(sides, 2) - 0.5).clip(0, CELLS)
    first, last = cells[:, :2], cells[:, 2:]
    thin = last <= first
    if thin.any():
        middle = np.floor((boxes[:, 1:3] + boxes[:, 3:]) / 2 * sides).clip(0, CELLS - 1)[thin]
        first[thin], last[thin] = middle, middle + 1
    return np.concatenate([boxes[:, :1], cells], axis=1).astype(np.int16)


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
    areas, place = np.zeros((len(shown), count), np.uint16), np.zeros((len(shown), count), np.int32)
    tiles, words = list[Array](), [np.zeros((1, CELLS), np.uint64)]
    for one, (layouts, own) in enumerate(shown):
        within = _tiles_of(own)
        areas[one, layouts] = within.sum(axis=0, dtype=np.uint16)
        if 2 * len(layouts) > count:
            every = np.zeros((len(within), count), np.uint8)
            every[:, layouts] = within
            within = every
        tiles.append(within)
        place[one, layouts] = np.arange(len(layouts)) + sum(map(len, words))
        words.append(own)
    return Tables([each.layouts for each in shown], tiles, areas, place, np.concatenate(words))


def tables_bytes(classes: int, shown: int, count: int) -> int:
    """Memory that the tables of `count` layouts take, each of which shows so many of so many classes, in bytes."""
    words, tiles = 8 * CELLS, (CELLS // _TILE) ** 2
    return words + count * (shown * (8 + words + 2 * tiles) + 6 * classes)


def nearest(tables: Tables, boxes: Array, count: int, left_out: Array | None = None) -> Array:
    """Places (at most `count`,) of the layouts of the highest score above 0, the best first; Equation (1).

    Arguments:
        boxes: (n, 5) of the query, class and cells. left_out: (N,) booleans, layouts that are not to be found.
    """
    if not len(boxes) or not len(tables):
        return np.zeros(0, np.int64)
    of, words = _query_of(boxes)
    bounds = _bounds(tables, of, _tiles_of(words).T)
    if left_out is not None:
        bounds[left_out] = 0
    start = max(_about_the(max(_FIRST, 2 * count), bounds), _LEAST)
    rows = np.flatnonzero(bounds >= start)
    scores = _scores(tables, of, words, rows)
    least = float(np.partition(scores, -count)[-count]) if len(rows) >= count else 0.0
    least = max(least * (1 - 1e-6), _LEAST)  # as far as single precision rounds bounds
    if least < start:  # Layouts that have not been counted may be among the best.
        rows = np.flatnonzero(bounds >= least)
        scores = _scores(tables, of, words, rows)
    best = np.lexsort((rows, -scores))[:count]
    found: Array = rows[best[scores[best] > 0]]
    return found


def _query_of(boxes: Array) -> tuple[list[int], Array]:
    """The classes of a query's boxes (n, 5), in order, and the words (classes, 64) of the cells that each has."""
    rows = boxes.tolist()
    of = sorted({row[0] for row in rows})
    words = np.zeros((len(of), CELLS), np.uint64)
    for one, x0, y0, x1, y1 in rows:
        words[of.index(one), y0:y1] |= _SPANS[x0, x1]
    return of, words


def _bounds(tables: Tables, of: Sequence[int], wanted: Array) -> Array:
    """(N,) single precision: Equation (1) with Equation (2) in place of what is shared.

    Arguments:
        of: the classes of the query. wanted: (classes, 64), its cells of each in each tile.
    """
    kind = np.min_scalar_type(2 * CELLS**2 * len(of))  # holds the areas of a layout and the query together
    areas, most = np.full(len(tables), wanted.sum(), kind), np.zeros(len(tables), kind)
    for one, own in zip(of, wanted, strict=True):
        some = own.nonzero()[0]
        within = tables.tiles[one].take(some, axis=0)
        # The minimum of two arrays is many times as fast as that of an array and a column.
        least = own[some].repeat(within.shape[1]).reshape(within.shape)
        shared = np.minimum(within, least, out=within).sum(axis=0, dtype=kind)
        if len(shared) == len(most):
            most += shared
        else:
            np.add.at(most, tables.layouts[one], shared)
        areas += tables.areas[one]
    found: Array = np.divide(
        most, areas - most, dtype=np.float32
    )  # No class of the query is empty, so no union is.
    return found


def _scores(tables: Tables, of: Sequence[int], words: Array, rows: Array) -> Array:
    """Equation (1) of some layouts, with the query's words (classes, 64)."""
    if len(rows) > _AT_ONCE:
        some = [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)]
        return np.concatenate([_scores(tables, of, words, each) for each in some])
    part, line = words.nonzero()  # of the words of the query, few are not empty
    wanted, own = words[part, line, None], np.array(of)[:, None]
    places = tables.place[own, rows].astype(np.int64) * CELLS
    shown = tables.words.reshape(-1)[places[part] + line[:, None]]
    shared = _ones(shown & wanted).sum(axis=0, dtype=np.int64)
    areas = tables.areas[own, rows].sum(axis=0, dtype=np.int64) + int(_ones(wanted).sum())
    found: Array = shared / (areas - shared)
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


def _tiles_of(words: Array) -> Array:
    """The cells in each tile (64, n) uint8, of words (n, 64)."""
    side, count = CELLS // _TILE, len(words)
    lines = np.ascontiguousarray(words.T).view(np.uint8)  # (64, n * 8)
    counts = _ones(lines).reshape(side, _TILE, count * side).sum(axis=1, dtype=np.uint8)
    found: Array = counts.reshape(side, count, side).swapaxes(1, 2).reshape(side * side, count)
    return found


def _ones(numbers: Array) -> Array:
    """How many bits of each number are set."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2
        counts: Array = np.bitwise_count(numbers)
        return counts
    parts = np.ascontiguousarray(numbers).view(np.uint8).reshape(*numbers.shape, numbers.itemsize)
    total: Array = _ONES[parts].sum(axis=-1, dtype=np.uint8)
    return total

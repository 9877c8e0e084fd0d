"""Near-copies: samples that lie nearer to a training item than real held-out items do.

    d(q, r) = min over shifts t of sqrt(mean((q - shift_t(r))^2))          the smallest RMS pixel distance
    d(q)    = min over training items r of d(q, r)
    near-copy: d(q) < threshold, below which only a share (1 %) of real held-out items lie

The threshold comes from real items that were never trained on, so that items that look alike by nature are no
copies.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["copy_threshold", "near_copies", "nearest"]

_BLOCK = 1 << 24  # distances, and numbers of references, held at once


def nearest(
    queries: Array, references: Array, shifts: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The nearest reference of each query, and its distance.

    Arguments:
        queries: (N, H, W) or (N, H, W, C), numbers on any scale.
        references: (M, ...) of the same item shape and scale.
        shifts: how many pixels a reference may be moved along each axis, its edge pixels repeated where it
            leaves a gap.

    Returns indices (N,) into the references and distances (N,) on the scale of the pixels.
    Raises InputError when shapes differ or there are no references.
    """
    if queries.shape[1:] != references.shape[1:] or queries.ndim not in (3, 4):
        raise InputError(
            f"items to compare must have one shape, (H, W) or (H, W, C); got {queries.shape[1:]} and "
            f"{references.shape[1:]}"
        )
    if len(references) == 0:
        raise InputError("there is nothing to compare with: no references")
    index, distance = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    flat = queries.reshape(len(queries), -1).astype(np.float32)
    rows = max(_BLOCK // max(len(flat), flat.shape[1], 1), 1)
    for first in range(0, len(references), rows):
        block = references[first : first + rows].astype(np.float32)
        for dy, dx in product(range(-shifts, shifts + 1), repeat=2):
            moved = _shifted(block, dy, dx).reshape(len(block), -1)
            squared = _mean_squares(flat, moved)
            best = squared.argmin(axis=1)
            found = squared[np.arange(len(flat)), best]
            better = found < distance
            index[better], distance[better] = best[better] + first, found[better]
    return index, _exact(queries, references, index, shifts)


def _mean_squares(a: Array, b: Array) -> Array:
    """|a|^2 - 2 a b + |b|^2 over the pixels: (N, D), (M, D) -> (N, M); rounding may leave it slightly below
    0.
    """
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(squares / a.shape[1])


def _exact(queries: Array, references: Array, index: Array, shifts: int) -> npt.NDArray[np.float64]:
    """The distances once more from the differences: the expanded square loses the small ones, and copies are
    what we look for.
    """
    best, axes = np.full(len(queries), np.inf), tuple(range(1, queries.ndim))
    rows = max(_BLOCK // max(int(np.prod(queries.shape[1:])), 1), 1)
    for first in range(0, len(queries), rows):
        some = slice(first, first + rows)
        pairs = references[index[some]].astype(np.float64)
        for dy, dx in product(range(-shifts, shifts + 1), repeat=2):
            found = np.sqrt(np.square(queries[some] - _shifted(pairs, dy, dx)).mean(axis=axes))
            best[some] = np.minimum(best[some], found)
    return best


def _shifted(items: Array, dy: int, dx: int) -> Array:
    """Items (N, H, W, ...) moved down by dy and right by dx, edge pixels repeated."""
    rows = np.clip(np.arange(items.shape[1]) - dy, 0, items.shape[1] - 1)
    columns = np.clip(np.arange(items.shape[2]) - dx, 0, items.shape[2] - 1)
    return items[:, rows[:, None], columns[None]]


def copy_threshold(held_out: Array, references: Array, share: float = 0.01, shifts: int = 1) -> float:
    """The distance below which at most `share` of real held-out items lie from their nearest training item.

    Arguments:
        held_out: real items (N, H, W) or (N, H, W, C) that were not trained on.
        references: the training items.
        share: in [0, 1).
        shifts: as for `nearest`.
    """
    if len(held_out) == 0 or not 0 <= share < 1:
        raise InputError(
            f"a threshold needs held-out items and a share in [0, 1); got {len(held_out)} items and {share}"
        )
    distances = np.sort(nearest(held_out, references, shifts)[1])
    return float(distances[int(share * len(distances))])


def near_copies(
    samples: Array, references: Array, threshold: float, shifts: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Samples nearer to a training item than the threshold: their indices, their nearest references, and
    their distances.
    """
    index, distance = nearest(samples, references, shifts)
    found = np.flatnonzero(distance < threshold)
    return found, index[found], distance[found]

"""Fidelity and diversity apart: precision, recall, density and coverage on features.

With B_k(x; X) the closed ball around x that reaches its k-th nearest other item of X, real items X (N of
them), samples Y (M):

    precision = mean over y of [y lies in some B_k(x; X)]               (1)  Kynkaanniemi et al. 2019
    recall    = mean over x of [x lies in some B_k(y; Y)]               (2)
    density   = mean over y of (balls B_k(x; X) that hold y) / k        (3)  Naeem et al. 2020
    coverage  = mean over x of [B_k(x; X) holds some y]                 (4)

Density may exceed 1. All four are means over items; the items' own values are kept, so that intervals come
from resampling them without new distances (a resampled set holds doubles, whose balls would shrink to
points).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["Coverage", "coverage", "distance_blocks", "feature_rows"]

_BLOCK = 1 << 23  # distances held at once


class Coverage(NamedTuple):
    """What each item adds to the four scores.

    precise (M,) bool, recalled (N,) bool, dense (M,) >= 0, covered (N,) bool; the scores are their means.
    """

    precise: npt.NDArray[np.bool_]
    recalled: npt.NDArray[np.bool_]
    dense: npt.NDArray[np.float64]
    covered: npt.NDArray[np.bool_]

    @property
    def precision(self) -> float:
        """Share of samples within the reach of the real set, in [0, 1]."""
        return float(self.precise.mean())

    @property
    def recall(self) -> float:
        """Share of real items within the reach of the samples, in [0, 1]."""
        return float(self.recalled.mean())

    @property
    def density(self) -> float:
        """How many real neighborhoods hold a sample, over k: about 1 where both sets are alike, more where
        samples crowd.
        """
        return float(self.dense.mean())

    @property
    def coverage(self) -> float:
        """Share of real neighborhoods that hold a sample, in [0, 1]."""
        return float(self.covered.mean())


def coverage(real: Array, synthetic: Array, k: int = 5) -> Coverage:
    """Precision, recall, density and coverage of samples against real items, by Euclidean distance of their
    features.

    Arguments:
        real: (N, D) features of real items.
        synthetic: (M, D) features of samples.
        k: how many neighbors a ball reaches, at least 1.

    Raises InputError when a set has fewer than k + 1 rows, or is not a finite matrix, or the widths differ.
    """
    if k < 1:
        raise InputError(f"k, the neighbors of a ball, must be at least 1; got {k}")
    real, synthetic = feature_rows(real, synthetic, least=k + 1)
    reach_real, reach_synthetic = _reach(real, k), _reach(synthetic, k)
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    balls = np.zeros(len(synthetic), np.int64)
    for rows, distances in distance_blocks(real, synthetic):
        inside = distances <= reach_real[rows, None]
        balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances <= reach_synthetic).any(axis=1)
    return Coverage(balls > 0, recalled, balls / k, covered)


def _reach(items: Array, k: int) -> npt.NDArray[np.float64]:
    """Squared distance of each item to its k-th nearest other one; the item itself stands at place 0 of its
    row.
    """
    reach = np.zeros(len(items))
    for rows, distances in distance_blocks(items, items):
        reach[rows] = np.partition(distances, k, axis=1)[:, k]
    return reach


def distance_blocks(a: Array, b: Array) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Squared Euclidean distances of rows (N, D) to rows (M, D), some rows of the first at a time.

    They come from differences, not from products: equal rows are exactly 0 apart, and d(x, y) is bit for bit
    d(y, x).
    """
    from scipy.spatial.distance import cdist  # slow to import, and systems are listed without

    step = max(_BLOCK // max(len(b), 1), 1)
    for first in range(0, len(a), step):
        rows = slice(first, min(first + step, len(a)))
        yield rows, cdist(a[rows], b, "sqeuclidean")


def feature_rows(*sets: Array, least: int = 1) -> list[npt.NDArray[np.float64]]:
    """Sets of features (N, D) in float64, checked: matrices of one width and finite numbers, each of `least`
    rows or more.
    """
    for features in sets:
        if features.ndim != 2 or features.shape[1] != sets[0].shape[1] or features.shape[1] == 0:
            shapes = " and ".join(str(each.shape) for each in sets)
            raise InputError(
                f"features must be matrices (items, numbers) of one width, at least 1; got {shapes}"
            )
        if len(features) < least:
            raise InputError(f"this figure needs at least {least} items in each set; got {len(features)}")
        if not np.isfinite(features).all():
            raise InputError("features must be finite numbers; found NaN or infinity")
    return [features.astype(np.float64) for features in sets]

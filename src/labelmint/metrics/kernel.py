"""Kernel distance between two feature sets: the unbiased squared MMD (Gretton et al. 2012; on Inception
features it is KID).

k(x, y) = (x.y / D + 1)^3                                                                         (1)
Binkowski et al. 2018
MMD^2 = mean over i != j of k(a_i, a_j) + mean over i != j of k(b_i, b_j) - 2 mean of k(a_i, b_j)   (2)
"""

from __future__ import annotations

import numpy as np

from labelmint.metrics.coverage import feature_rows
from labelmint.types import Array

__all__ = ["kernel_distance"]

_BLOCK = 1 << 23  # kernel values held at once


def kernel_distance(a: Array, b: Array) -> float:
    """The unbiased squared MMD of equation (2), on all rows.

    Arguments:
        a, b: features (N, D) and (M, D), at least two rows each.

    Being unbiased it is about 0 for sets of one distribution, and may lie below 0.
    Raises InputError when a set has fewer than two rows, or is not a finite matrix, or the widths differ.
    """
    a, b = feature_rows(a, b, least=2)
    within = sum((_total(each, each) - _diagonal(each)) / (len(each) * (len(each) - 1)) for each in (a, b))
    return float(within - 2 * _total(a, b) / (len(a) * len(b)))


def _total(a: Array, b: Array) -> float:
    """The sum of k over all pairs of rows, equation (1)."""
    step = max(_BLOCK // len(b), 1)
    return sum(float(((a[i : i + step] @ b.T / a.shape[1] + 1) ** 3).sum()) for i in range(0, len(a), step))


def _diagonal(a: Array) -> float:
    """The sum of k(x, x)."""
    return float(((np.square(a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())

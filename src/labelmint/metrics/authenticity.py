"""Copying, judged on features: authenticity of each sample, and one test statistic for a set.

    authentic(y) = d(y, t) > d(t, nearest other training item),  t = the training item nearest to y     (1)
    Alaa et al. 2022 AuthPct = 100 mean of (1)
    z = (U - m n / 2) / sd(U),  U = pairs (sample, test item) with d(sample, T) > d(test item, T), ties half
                                (2)
    C_T = sum over cells of P(cell) z(cell) / sum over cells of P(cell)                                 (3)
    Meehan et al. 2020

d(., T) is the distance to the nearest training item, the cells those of a k-means partition of the training
set, and P the share of test items. Samples of a generator that copies lie nearer to the training set than
test items do: C_T is well below 0. Well above 0 it has not learned the set (underfitting).
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.stats import rankdata

from labelmint.errors import InputError
from labelmint.metrics.coverage import distance_blocks, feature_rows
from labelmint.types import Array

__all__ = ["authentic", "c_t", "mann_whitney_z"]


def authentic(samples: Array, training: Array) -> npt.NDArray[np.bool_]:
    """Which samples are farther from their nearest training item than that item is from its own nearest
    other: equation (1).

    Arguments:
        samples: (N, D) features.
        training: (M, D) features, at least two rows.

    Returns (N,). An exact copy is never authentic; about half of fresh draws of the training items'
    distribution are. Raises InputError when there are fewer than two training items, or a set is not a finite
    matrix, or the widths differ.
    """
    samples, training = feature_rows(samples, training)
    if len(training) < 2:
        raise InputError(f"authenticity needs at least 2 training items; got {len(training)}")
    index, distance = _nearest(samples, training)
    used, place = np.unique(index, return_inverse=True)
    return np.asarray(distance > _nearest_other(training, used)[place])


def _nearest(queries: Array, references: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The nearest reference of each query and its squared distance."""
    index, distance = np.zeros(len(queries), np.int64), np.zeros(len(queries))
    for rows, distances in distance_blocks(queries, references):
        index[rows], distance[rows] = distances.argmin(axis=1), distances.min(axis=1)
    return index, distance


def _nearest_other(items: Array, chosen: Array) -> npt.NDArray[np.float64]:
    """Squared distance of each chosen item to the nearest of the others: the second smallest of its row,
    after itself.
    """
    other = np.zeros(len(chosen))
    for rows, distances in distance_blocks(items[chosen], items):
        other[rows] = np.partition(distances, 1, axis=1)[:, 1]
    return other


def c_t(
    training: Array, test: Array, samples: Array, cells: int | None = None, fewest: int = 5, seed: int = 0
) -> float:
    """The copying statistic of equation (3), about a standard score: below about -3 the samples copy.

    Arguments:
        training, test, samples: features (M, D), (N, D), (L, D); test items were not trained on.
        cells: k of the k-means partition; by default so many, 10 at most, that a cell holds 20 test
            items and 20 samples on average.
        fewest: a cell with fewer test items or fewer samples is thin: its score would say nothing, so it is
            left out of both sums. Parts of the training set that the samples never reach are therefore not
            judged here; coverage judges them.
        seed: of the first centers, rows of the training set.

    Raises InputError when every cell is thin, `cells` is not from 1 to M, or a set is empty, not a finite
    matrix, or of another width.
    """
    training, test, samples = feature_rows(training, test, samples)
    cells = cells if cells is not None else min(10, len(training), max(1, min(len(test), len(samples)) // 20))
    if not 1 <= cells <= len(training):
        raise InputError(
            f"cells must be from 1 to {len(training)}, the number of training items; got {cells}"
        )
    centers = _centers(training, cells, seed)
    of_test, of_samples = _nearest(test, centers)[0], _nearest(samples, centers)[0]
    to_test, to_samples = _nearest(test, training)[1], _nearest(samples, training)[1]
    scores, shares = [], []
    for cell in range(cells):
        near, fresh = to_samples[of_samples == cell], to_test[of_test == cell]
        if min(len(near), len(fresh)) >= max(fewest, 1):
            scores.append(mann_whitney_z(near, fresh))
            shares.append(len(fresh))
    if not scores:
        raise InputError(
            f"C_T needs a cell with at least {fewest} test items and {fewest} samples; none of {cells} cells "
            f"over {len(test)} "
            f"test items and {len(samples)} samples has them: give more, or fewer cells"
        )
    return float(np.average(scores, weights=shares))


def _centers(items: Array, cells: int, seed: int) -> Array:
    """Centers of a k-means partition, begun at `cells` rows drawn by the seed."""
    start = items[np.random.default_rng(seed).choice(len(items), cells, replace=False)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cell keeps its center, and is thin
        return np.asarray(kmeans2(items, start, iter=50, minit="matrix")[0])


def mann_whitney_z(a: Array, b: Array) -> float:
    """Standard score of the Mann-Whitney U of equation (2), corrected for ties: below 0 where a tends to be
    smaller than b.

    Arguments:
        a, b: numbers (m,) and (n,), at least one each.

    Returns 0 when all numbers are equal.
    """
    m, n = len(a), len(b)
    ranks = rankdata(np.concatenate([a, b]))
    _, tied = np.unique(ranks, return_counts=True)
    u = ranks[:m].sum() - m * (m + 1) / 2
    variance = m * n / 12 * (m + n + 1 - (tied.astype(float) ** 3 - tied).sum() / ((m + n) * (m + n - 1)))
    return float((u - m * n / 2) / np.sqrt(variance)) if variance > 1e-12 * m * n else 0.0

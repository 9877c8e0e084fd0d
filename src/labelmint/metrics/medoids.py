"""k-medoids: k of N points, such that the sum of the distances of all points to the nearest of them is small.

BUILD of PAM (Kaufman & Rousseeuw 1990) takes, one after the other, the point that lessens the sum most. Then in
turns each point goes to its nearest medoid, and each cluster takes as its medoid the point from which the sum of
distances to the others is least, until nothing changes. Of more than 4,000 points medoids are chosen among 4,000.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmint.types import Array

__all__ = ["Clusters", "at_most", "distances", "greedy_medoids", "k_medoids"]

_MOST = 4000
_TURNS = 50


class Clusters(NamedTuple):
    """The place (k,) of each medoid, and the cluster (N,) of each point."""

    medoids: npt.NDArray[np.int64]
    of_point: npt.NDArray[np.int64]


def distances(points: Array, others: Array) -> npt.NDArray[np.float32]:
    """Euclidean distances (N, M) of points (N, D) from others (M, D)."""
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None] - 2 * points @ others.T
    found: npt.NDArray[np.float32] = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
    return found


def at_most(count: int, seed: int) -> npt.NDArray[np.int64]:
    """The places of so many points, rising; of more than 4,000 those of 4,000: all distances between more of them take
    too much memory.
    """
    if count <= _MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 6]).permutation(count)[:_MOST])


def greedy_medoids(apart: Array, count: int, nearest: Array | None = None) -> list[int]:
    """BUILD: the places of `count` points, by distances (N, N).

    Arguments:
        nearest: (N,) distance of each point to the nearest of those that are chosen already; None for none.
    """
    near = np.full(len(apart), np.inf) if nearest is None else nearest.astype(np.float64)
    chosen: list[int] = []
    for _ in range(count):
        costs = np.minimum(near[:, None], apart).sum(axis=0)
        costs[chosen] = np.inf
        chosen.append(int(costs.argmin()))
        near = np.minimum(near, apart[:, chosen[-1]])
    return chosen


def k_medoids(points: Array, count: int, seed: int) -> Clusters:
    """The clusters of points (N, D), k <= N."""
    places = at_most(len(points), seed)
    apart = distances(points[places], points[places])
    medoids = np.array(greedy_medoids(apart, count))
    for _ in range(_TURNS):
        mine = apart[:, medoids].argmin(axis=1)
        mine[medoids] = np.arange(count)  # of points in one place, too, each medoid keeps itself
        better = medoids.copy()
        for k in range(count):
            members = np.flatnonzero(mine == k)
            sums = apart[np.ix_(members, members)].sum(axis=0)
            if sums.min() < sums[members == medoids[k]][0]:
                better[k] = members[sums.argmin()]
        if np.array_equal(better, medoids):
            break
        medoids = better
    whole = places[medoids]
    of_point = distances(points, points[whole]).argmin(axis=1)
    of_point[whole] = np.arange(count)
    return Clusters(whole, of_point)

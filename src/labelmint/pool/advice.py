"""Which images to label next: one of each kind that no labelled image shows, the largest kinds first.

The pool is parted into clusters (`metrics.medoids`). A cluster is covered where a labelled image is nearest to its
medoid, and no further from it than its own images are. Chosen are

    of clusters that are not covered    the medoid, or with an ensemble the image with the least d/mean(d) - u/mean(u);
                                        clusters by their size, with an ensemble times their mean u
    then of the others                  the cluster with the most images for each that is labelled or chosen, and of it
                                        the image that lessens most the distances to the nearest labelled or chosen one;
                                        of a cluster of more than 4,000 images 4,000 are looked at

d: distance to the medoid. u: what the members of an ensemble disagree by (`segmenters.ensemble`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labelmint.metrics.medoids import Clusters, at_most, distances, greedy_medoids, k_medoids
from labelmint.types import Array

__all__ = ["Advice", "Cluster", "Pick", "choose"]


@dataclass(frozen=True)
class Cluster:
    """A kind of images: how many of the pool, its medoid, and how many labelled images are of it."""

    number: int
    images: int
    share: float
    medoid: str
    labelled: int

    @property
    def covered(self) -> bool:
        """True if a labelled image is of it."""
        return self.labelled > 0


@dataclass(frozen=True)
class Pick:
    """An image to label: its name and cluster, whether that was covered before, and the disagreement of an ensemble."""

    name: str
    cluster: int
    covered: bool
    disagreement: float | None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to label next.

    Attributes:
        picks: the most useful first. clusters: by falling size, numbered from 1 on.
        words: what the labels so far miss. weights: of each block of features.
    """

    picks: tuple[Pick, ...]
    clusters: tuple[Cluster, ...]
    words: tuple[str, ...]
    weights: dict[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The names to label, fit for train.txt."""
        return tuple(pick.name for pick in self.picks)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "names": list(self.names),
            "picks": [asdict(pick) for pick in self.picks],
            "clusters": [{**asdict(one), "covered": one.covered} for one in self.clusters],
            "words": list(self.words),
            "weights": self.weights,
        }


def choose(
    pool: Array,
    labelled: Array,
    names: Sequence[str],
    n: int,
    clusters: int,
    disagreement: Array | None,
    seed: int,
) -> tuple[list[Pick], list[Cluster], Clusters]:
    """Choose n images.

    Arguments:
        pool, labelled: features (N, D) and (L, D), L = 0 where nothing is labelled. names: of the pool.
        disagreement: (N,), or None without an ensemble.

    Returns the picks, the clusters, and where each image of the pool lies, clusters by falling size.
    """
    found = _by_size(k_medoids(pool, clusters, seed))
    shown = _labelled_in(found, pool, labelled)
    sizes = np.bincount(found.of_point, minlength=clusters)
    apart = distances(pool, pool[found.medoids])[np.arange(len(pool)), found.of_point]
    unsure = np.ones(len(pool)) if disagreement is None else disagreement / max(disagreement.mean(), 1e-12)
    chosen: list[int] = []
    weight = np.array([unsure[found.of_point == k].sum() for k in range(clusters)])
    for k in sorted(np.flatnonzero(shown == 0).tolist(), key=lambda k: -weight[k])[:n]:
        members = np.flatnonzero(found.of_point == k)
        score = apart[members] / max(apart.mean(), 1e-12) - (
            unsure[members] if disagreement is not None else 0
        )
        chosen.append(int(members[score.argmin()]) if disagreement is not None else int(found.medoids[k]))
    taken = shown + np.bincount(found.of_point[chosen], minlength=clusters)
    while len(chosen) < n:
        free = np.isin(np.arange(len(pool)), chosen, invert=True)
        room = np.bincount(found.of_point[free], minlength=clusters) > 0
        k = int(np.where(room, weight / (taken + 1), -1).argmax())
        members = np.flatnonzero((found.of_point == k) & free)
        members = members[at_most(len(members), seed)]
        seen = np.concatenate([labelled, pool[chosen]])
        near = distances(pool[members], seen).min(axis=1) if len(seen) else None
        chosen.append(int(members[greedy_medoids(distances(pool[members], pool[members]), 1, near)[0]]))
        taken[k] += 1
    picks = [
        Pick(
            names[i],
            int(found.of_point[i]) + 1,
            bool(shown[found.of_point[i]]),
            None if disagreement is None else float(disagreement[i]),
        )
        for i in chosen
    ]
    kinds = [
        Cluster(k + 1, int(sizes[k]), float(sizes[k] / len(pool)), names[found.medoids[k]], int(shown[k]))
        for k in range(clusters)
    ]
    return picks, kinds, found


def _by_size(found: Clusters) -> Clusters:
    """The clusters by falling size."""
    order = np.argsort(-np.bincount(found.of_point, minlength=len(found.medoids)), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Clusters(found.medoids[order], place[found.of_point])


def _labelled_in(found: Clusters, pool: Array, labelled: Array) -> Array:
    """How many labelled images (k,) each cluster holds."""
    count = len(found.medoids)
    if not len(labelled):
        return np.zeros(count, np.int64)
    own = distances(pool, pool[found.medoids])[np.arange(len(pool)), found.of_point]
    radius = np.array([own[found.of_point == k].max() for k in range(count)])
    radius = np.maximum(radius, np.median(radius))  # of few images hardly any is as far as another could be
    apart = distances(labelled, pool[found.medoids])
    nearest = apart.argmin(axis=1)
    inside = apart.min(axis=1) <= radius[nearest]
    return np.bincount(nearest[inside], minlength=count)

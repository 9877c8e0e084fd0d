"""How clusters without a labelled image look, in words, beside the labelled ones.

    brighter, darker        the median grey value
    of more, less contrast  the 95 % quantile of the grey values minus the 5 % one
    finer, coarser          the mean ring of the spectrum
    more, less colored      the size of the mean opponent colors

A word is said where the mean of a cluster lies more than 0.75 standard deviations of the pool from that of the
labelled images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labelmint.metrics.medoids import Clusters
from labelmint.pool.advice import Cluster
from labelmint.types import Array

__all__ = ["missed_looks"]

_APART = 0.75
_WORDS = (
    ("brighter", "darker"),
    ("of more contrast", "of less contrast"),
    ("finer", "coarser"),
    ("more colored", "less colored"),
)


def missed_looks(
    features: Mapping[str, Array], found: Clusters, kinds: Sequence[Cluster], pool: int
) -> list[str]:
    """A line for each cluster without a labelled image; none where nothing is labelled.

    Arguments:
        features: blocks of the pool, then of the labelled images. pool: how many are of the pool.
    """
    looks = _looks(features)
    if len(looks) == pool:
        return []
    spread, usual = looks[:pool].std(axis=0), looks[pool:].mean(axis=0)
    lines = []
    for place, one in enumerate(kinds):
        if one.covered:
            continue
        apart = looks[:pool][found.of_point == place].mean(axis=0) - usual
        words = [
            words[0] if off > 0 else words[1]
            for words, off, wide in zip(_WORDS, apart, spread, strict=True)
            if abs(off) > _APART * max(wide, 1e-9)
        ]
        how = f": {', '.join(words)} than the labelled ones" if words else ""
        lines.append(f"cluster {one.number}, {one.images} images like {one.medoid}{how}")
    return lines


def _looks(features: Mapping[str, Array]) -> Array:
    """Brightness, contrast, fineness and color (N, 4)."""
    grey, power = features["contrast"], np.exp(features["scale"])
    return np.stack(
        [
            grey[:, 3],
            grey[:, 5] - grey[:, 1],
            (power * np.arange(power.shape[1])).sum(axis=1) / power.sum(axis=1),
            np.hypot(features["color"][:, 0], features["color"][:, 2]),
        ],
        axis=1,
    )

"""Can whoever holds a set of samples tell which images were trained on? The attack by the nearest sample.

    d(x) = min over samples y, and over the orientations that training allowed, of the RMS difference of x and y
    AUC  = P(d(member) < d(other)) + 1/2 P(d(member) = d(other)),    over all pairs of a member and another image

Members were trained on, the others come from the same source and were not. An AUC of 0.5 tells nothing, one of 1 tells
every member. The attack sees no weights, asks for nothing but the samples, and is the weakest that the literature
knows: a low AUC is no proof of privacy, a high one is a proof of the contrary.

References:
    GAN-Leaks (Chen et al., 2020), https://arxiv.org/abs/1909.03935: the full black-box attack
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from labelmint.errors import InputError
from labelmint.metrics.copies import nearest
from labelmint.metrics.view_distance import turned
from labelmint.types import Array

__all__ = ["membership_auc", "sample_distances"]


def membership_auc(members: Array, others: Array) -> float:
    """The AUC of telling members from others by a distance that is smaller for members.

    Arguments:
        members, others: (m,) and (n,) distances, at least one each.

    Raises InputError where either is empty.
    """
    m, n = len(members), len(others)
    if not m or not n:
        raise InputError(f"an attack needs members and others; got {m} and {n}")
    ranks = rankdata(np.concatenate([members, others]))
    above = ranks[m:].sum() - n * (n + 1) / 2  # pairs in which the other is farther away, ties half
    return float(above / (m * n))


def sample_distances(
    views: Array, samples: Array, of: Sequence[int], orientations: Sequence[int] = (0,)
) -> npt.NDArray[np.float64]:
    """d of images that are cut into views: the smallest of their views.

    Arguments:
        views: (N, H, W, C). samples: (M, H, W, C) on the same scale. of: (N,) the number of each view's image, 0 to
            the number of images less 1.
        orientations: as `view_distance.turned` has them; those that change the shape of a view are left out.

    Returns (images,) distances on the scale of the pixels. Raises InputError as `copies.nearest` does.
    """
    found = np.full(len(views), np.inf)
    for orientation in orientations:
        moved = turned(samples, orientation)
        if moved.shape[1:] == views.shape[1:]:
            found = np.minimum(found, nearest(views, moved, shifts=0)[1])
    distances = np.full(max(of, default=-1) + 1, np.inf)
    np.minimum.at(distances, np.asarray(of, np.int64), found)
    return distances

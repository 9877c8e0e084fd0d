"""Boundary score: the normalized surface Dice of Nikolov et al. (2018), counted in boundary pixels.

    E_k(s) = pixels of class k that a pixel of another class touches by a side
    hits_k = |{p in E_k(s): d(p, E_k(r)) <= t}| + |{q in E_k(r): d(q, E_k(s)) <= t}|,   sizes_k = |E_k(s)| +
    |E_k(r)|
    score_k = hits_k / sizes_k,   s: labels, r: predictions, d: Euclidean distance in pixels, t: the tolerance

Boundaries are made of pixels, as MONAI's `compute_surface_dice` has them, not of lengths between pixels as in
the paper's code. Unlike MONAI's, the border of the image and the rim of an ignored region are no boundaries:
a class does not end there, the view of it does, and a prediction would be right there for nothing. Ignored
pixels are ignored in the predictions, too.

Counts are kept image by image, as in `metrics.overlap`: the score of a set is sum(hits) / sum(sizes), so that
an image counts by its boundaries, and one without any not at all.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.metrics.overlap import check_indices
from labelmint.types import Array

__all__ = ["boundary_score"]


def boundary_score(
    labels: Array, predictions: Array, classes: int, tolerance: float = 2.0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hits and sizes of the boundaries, image by image and class by class.

    Arguments:
        labels: (N, H, W) dense class indices in 0..K-1, -1 where a pixel is left out.
        predictions: (N, H, W) dense class indices in 0..K-1.
        classes: K.
        tolerance: t, in pixels, at least 0.

    Returns hits and sizes, each (N, K); the sizes are 0 where neither side has a boundary of the class.
    Raises InputError when the shapes differ, an index is outside its range, or the tolerance is negative or
    not finite.
    """
    check_indices(labels, predictions, classes)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(
            f"the tolerance of boundaries must be a number of pixels, at least 0; got {tolerance:g}"
        )
    hits, sizes = (np.zeros((len(labels), classes), np.int64) for _ in range(2))
    for image, (label, prediction) in enumerate(zip(labels, predictions, strict=True)):
        sides = [_boundary(ids) for ids in (label, np.where(label < 0, np.int64(-1), prediction))]
        present = np.unique(np.concatenate([side[side >= 0] for side in sides]))
        one, other = (side == present[:, None, None] for side in sides)
        for boundary, reference in ((one, other), (other, one)):
            hits[image, present] += (boundary & _within(reference, tolerance)).sum(axis=(1, 2))
            sizes[image, present] += boundary.sum(axis=(1, 2))
    return hits, sizes


def _boundary(ids: Array) -> Array:
    """(H, W): the class index on its boundary, -1 elsewhere."""
    touches = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        after, before = (np.moveaxis(ids, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        change = (after != before) & (after >= 0) & (before >= 0)
        seen = np.moveaxis(touches, axis, 0)
        seen[1:] |= change
        seen[:-1] |= change
    return np.where(touches, ids, -1)


def _within(marks: Array, tolerance: float) -> Array:
    """Where (K, H, W) a mark is at most the tolerance away: the marks, moved by every offset that short.
    Exact, and for tolerances of a few pixels much faster than distances.
    """
    height, width = marks.shape[1:]
    reach, near = int(tolerance), np.zeros(marks.shape, bool)
    for down in range(max(-reach, 1 - height), min(reach, height - 1) + 1):
        for right in range(max(-reach, 1 - width), min(reach, width - 1) + 1):
            if down**2 + right**2 <= tolerance**2:
                to = slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0))
                of = (
                    slice(max(-down, 0), height + min(-down, 0)),
                    slice(max(-right, 0), width + min(-right, 0)),
                )
                near[:, *to] |= marks[:, *of]
    return near

"""Frechet distance between the Gaussians of two feature sets (Heusel et al. 2017; on features of one's own it
is not "FID").

    d^2 = |m_a - m_b|^2 + Tr(S_a) + Tr(S_b) - 2 Tr((S_a S_b)^(1/2))           (1)
    Tr((S_a S_b)^(1/2)) = sum of the singular values of S_a^(1/2) S_b^(1/2)   (2)

The eigenvalues of S_a S_b are those of the symmetric S_a^(1/2) S_b S_a^(1/2), so the roots of (1) are the
singular values of (2): real and not negative, without a square root of rounding errors.
"""

from __future__ import annotations

import numpy as np

from labelmint.errors import InputError
from labelmint.metrics.coverage import feature_rows
from labelmint.types import Array

__all__ = ["frechet_distance"]


def frechet_distance(a: Array, b: Array) -> float:
    """The squared Frechet distance d^2 of equation (1), as FID is defined: at least 0, on the scale of
    squared features.

    Arguments:
        a, b: features (N, D) and (M, D); covariances are unbiased, over N - 1 and M - 1.

    Raises InputError unless both sets have more rows than columns (their covariances would be singular),
    naming the number.
    """
    a, b = feature_rows(a, b)
    if min(len(a), len(b)) <= a.shape[1]:
        raise InputError(
            f"a Frechet distance of {a.shape[1]} features needs at least {a.shape[1] + 1} items in each set; "
            f"got {len(a)} and {len(b)}"
        )
    covariance_a, covariance_b = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    roots = np.linalg.svd(_root(covariance_a) @ _root(covariance_b), compute_uv=False)
    means = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return max(float(means + np.trace(covariance_a) + np.trace(covariance_b) - 2 * roots.sum()), 0.0)


def _root(covariance: Array) -> Array:
    """The symmetric square root; eigenvalues that rounding put below 0 count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root

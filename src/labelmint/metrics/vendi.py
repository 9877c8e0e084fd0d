"""Vendi score: the effective number of different items in a set, without a reference (Friedman and Dieng
2023).

    K_ij = x_i.x_j / (|x_i| |x_j|)                     (1)  cosine kernel
    VS = exp(- sum over eigenvalues l of K / n of l log l)    (2)

The eigenvalues above 0 of K / n (n x n) are those of X^T X / n (D x D) for rows of length 1: the smaller side
is taken.
"""

from __future__ import annotations

import numpy as np

from labelmint.errors import InputError
from labelmint.metrics.coverage import feature_rows
from labelmint.types import Array

__all__ = ["vendi_score"]


def vendi_score(features: Array) -> float:
    """The Vendi score of equation (2), from 1 (all rows point one way) to min(n, D) (rows at right angles).

    Arguments:
        features: (n, D). Rows count by direction only; center them first where they share a large mean.

    Raises InputError when there are no rows, or a row has no direction (all zeros), or numbers are not
    finite.
    """
    (rows,) = feature_rows(features)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise InputError(
            f"a Vendi score needs rows with a direction; {int((lengths == 0).sum())} rows are all zeros"
        )
    rows = rows / lengths
    kernel = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    values = np.linalg.eigvalsh(kernel / len(rows))
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))

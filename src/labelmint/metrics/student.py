"""How far the difference of two means may lie off, by Student's t (Student 1908) with one variance for both groups.

    half width = t s sqrt(1/n + 1/m),    s^2 = (sum (a_i - mean of a)^2 + sum (b_j - mean of b)^2) / (n + m - 2)

t is the quantile of Student's distribution at n + m - 2 degrees of freedom: a few values tell their own spread badly,
and it grows with that. For two values of each it is 4.3, where a known spread would take 2.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labelmint.types import Array

__all__ = ["half_width"]


def half_width(first: Sequence[float] | Array, second: Sequence[float] | Array, level: float = 0.95) -> float:
    """Half the interval of the difference of two means, in the unit of the values.

    Arguments:
        first, second: n and m values, at least one of each. level: in (0, 1), the share of intervals that hold the
            difference, where values are normal and spread alike.

    Returns 0 for one value of each, of which nothing is known.
    """
    from scipy.stats import t

    groups = [np.asarray(values, np.float64) for values in (first, second)]
    freedom = sum(map(len, groups)) - 2
    if freedom < 1:
        return 0.0
    variance = sum(float(np.square(values - values.mean()).sum()) for values in groups) / freedom
    return float(t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance * sum(1 / len(one) for one in groups))

"""The figures of a study, as functions of scores by seed.

    gain(n)      = mean over seeds of S_k - B_k,   B = whichever of A and C has the higher mean
    headroom(n)  = A(all) - A(n)                   share closed = gain / headroom
    blind        = the highest Dice of one reading for all test images, which looks at none of them
    worth(n)     = the number m of real pairs at which A's learning curve, linear in log m between its points,
                 reaches S(n); the
                   nearest such m to n

Scores are in [0, 1], gains and headroom in points, 100 times as large. Intervals are Student's t over the
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labelmint.types import Array

__all__ = [
    "LEAST_HEADROOM",
    "Interval",
    "Worth",
    "better_of",
    "blind_dice",
    "differences",
    "interval_of",
    "share_closed",
    "worth_of",
]

LEAST_HEADROOM = 0.5  # points, below which a share of it means nothing
Scores = Mapping[int, float]  # by seed


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with the ends of its 95 % interval; None where one seed gives none."""

    mean: float
    low: float | None
    high: float | None
    count: int


def interval_of(values: Sequence[float], ways: int = 1) -> Interval:
    """Mean and t-interval of values, at least one.

    Arguments:
        ways: k of which this one may be the best: the interval is then such that all k hold at once in 95 % of all
            studies (Bonferroni: 1 - 0.05 / k each), so that it allows for the luck of the choice.
    """
    from scipy import stats

    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, None, None, count)
    reach = float(stats.t.ppf(1 - 0.025 / ways, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - reach, mean + reach, count)


def differences(one: Scores, other: Scores) -> dict[int, float]:
    """one - other in points, of the seeds that both have."""
    return {seed: 100 * (one[seed] - other[seed]) for seed in sorted(set(one) & set(other))}


def better_of(baselines: Mapping[str, Scores]) -> str:
    """The name of the baseline with the highest mean; all have scores of the same seeds."""
    return max(baselines, key=lambda name: float(np.mean(list(baselines[name].values()))))


def share_closed(gain: float, headroom: float) -> float | None:
    """The share of the headroom that the gain closes; None where there is less than 0.5 points of it."""
    return gain / headroom if headroom >= LEAST_HEADROOM else None


@dataclass(frozen=True)
class Worth:
    """A number of real images; with "more" or "fewer" the curve only tells that it lies beyond its end."""

    images: float
    bound: Literal["exactly", "more", "fewer"]

    @property
    def words(self) -> str:
        """The number as "23", "more than 320", "fewer than 5"."""
        return f"{'' if self.bound == 'exactly' else f'{self.bound} than '}{self.images:.0f}"


def worth_of(score: float, curve: Mapping[int, float], n: int) -> Worth:
    """Where a learning curve (pairs -> score), linear in log n, first reaches a score, upwards or downwards
    from its point at n.
    """
    upwards = score >= curve[n]
    points = sorted(
        ((m, value) for m, value in curve.items() if (m >= n if upwards else m <= n)), reverse=not upwards
    )
    for (m, here), (next_m, there) in zip(points, points[1:], strict=False):
        if min(here, there) <= score <= max(here, there):
            share = (score - here) / (there - here) if there != here else 0.0
            return Worth(math.exp(math.log(m) + share * (math.log(next_m) - math.log(m))), "exactly")
    if points[-1][1] == score:
        return Worth(points[-1][0], "exactly")
    return Worth(points[-1][0], "more" if upwards else "fewer")


def blind_dice(labels: Array, foreground: Sequence[int]) -> float:
    """Mean over the foreground classes that occur of the highest Dice that one set of places, the same for
    every image, reaches.

    Places where the class's share of the labelled pixels is above a threshold are the best set; every
    threshold is tried.

    Arguments:
        labels: (N, H, W) class indices, -1 where ignored.
    """
    labelled = (labels >= 0).sum(axis=0).ravel().astype(np.float64)
    found = []
    for k in foreground:
        hits = (labels == k).sum(axis=0).ravel().astype(np.float64)
        if hits.sum() > 0:
            order = np.argsort(-hits / np.maximum(labelled, 1), kind="stable")
            dice = 2 * np.cumsum(hits[order]) / (np.cumsum(labelled[order]) + hits.sum())
            found.append(float(dice.max()))
    return float(np.mean(found)) if found else 0.0

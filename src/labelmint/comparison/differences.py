"""How two systems differ in the two figures that decide, with intervals over layouts and trainings.

    obedience   min(mean Dice of the judge on samples / mean Dice on real test views, 1): an image that is clearer
                than real ones is no better for it
    Fréchet     the distance between the judge's features of samples and of real test views

    difference = mean over the trainings of one system - mean over those of the other
    interval   = difference - sqrt(a^2 + c^2) to difference + sqrt(b^2 + c^2)
    a, b       = how far the quantiles of D_h lie below and above the mean of D_h
    c          = half the interval of Student's t over the trainings of both (`metrics.student`), 0 for one of each

D_h is the difference on a random half of the groups of the test part. Both systems drew images for the same layouts,
so they are compared on the same half of them. Fewer than 10 groups of layouts, or one with over half of them, give no
interval: halves of two groups leave 0 out in half of all cases in which nothing differs. So would halves of two
trainings in a third of them, and c takes their place.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmint.comparison.measured import Measured, Values
from labelmint.errors import InputError
from labelmint.evaluation.material import FEWEST_LAYOUTS
from labelmint.evaluation.obedience import WORST_JUDGE
from labelmint.metrics.bootstrap import around, halves
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.overlap import dice
from labelmint.metrics.student import half_width
from labelmint.types import Array

__all__ = ["FRECHET", "OBEDIENCE", "Difference", "differences"]

OBEDIENCE, FRECHET = "obedience", "Fréchet distance"
_BETTER = {OBEDIENCE: 1, FRECHET: -1}  # the sign of a difference in favor of the first system
Statistic = Callable[[Values, npt.NDArray[np.int64], npt.NDArray[np.int64]], float]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of one system minus that of another; None where it could not be had."""

    figure: str
    one: str
    other: str
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def favors(self) -> str | None:
        """The system for which the interval leaves 0 out; "" where it holds 0, None where there is none."""
        if self.low is None or self.high is None:
            return None
        sign = (self.low > 0) - (self.high < 0)
        return {0: "", 1: self.one, -1: self.other}[sign * _BETTER[self.figure]]


def differences(
    found: Mapping[str, Sequence[Measured]],
    groups: Sequence[str],
    real_groups: Sequence[str],
    foreground: Sequence[int],
    *,
    repeats: int = 200,
    seed: int = 0,
) -> list[Difference]:
    """Both figures of every two systems.

    Arguments:
        found: the trainings of each system. groups: (L,) of the layouts, of which sample i has number i mod L.
        real_groups: (M,) of the real test views. foreground: class indices that obedience is about.
    """
    statistics = {OBEDIENCE: _obedience(found, foreground), FRECHET: _frechet}
    each = {
        figure: _on_halves(found, groups, real_groups, statistic, repeats, seed)
        for figure, statistic in statistics.items()
    }
    return [
        _difference(figure, one, other, each[figure])
        for one, other in combinations(found, 2)
        for figure in statistics
    ]


class _Values(NamedTuple):
    """A figure of one system, NaN where it can't be computed: of each training (T,) on everything, and the mean over
    them on each half (repeats,), of which there are none where halves say too little.
    """

    of_trainings: Array
    of_halves: Array


def _difference(figure: str, one: str, other: str, each: Mapping[str, _Values]) -> Difference:
    """The difference of two systems."""
    mine, theirs = each[one], each[other]
    value = float(mine.of_trainings.mean() - theirs.of_trainings.mean())
    if math.isnan(value):
        return Difference(figure=figure, one=one, other=other)
    of_halves = mine.of_halves - theirs.of_halves
    if not len(of_halves) or np.isnan(of_halves).any():
        return Difference(figure=figure, one=one, other=other, value=value)
    low, high = around(value, of_halves)
    trainings = half_width(mine.of_trainings, theirs.of_trainings)
    if trainings > 0:
        low = value - math.hypot(min(low - value, 0.0), trainings)
        high = value + math.hypot(max(high - value, 0.0), trainings)
    return Difference(figure=figure, one=one, other=other, value=value, low=low, high=high)


def _on_halves(
    found: Mapping[str, Sequence[Measured]],
    groups: Sequence[str],
    real_groups: Sequence[str],
    statistic: Statistic,
    repeats: int,
    seed: int,
) -> dict[str, _Values]:
    """The figure of each system on everything and on each half."""
    names = sorted({*groups, *real_groups})
    place = {name: k for k, name in enumerate(names)}
    of_layout, of_real = (np.array([place[name] for name in each]) for each in (groups, real_groups))
    layouts = Counter(groups).values()
    enough = len(layouts) >= FEWEST_LAYOUTS and 2 * max(layouts) <= len(groups)
    chosen = [*halves(len(names), repeats, seed)] if enough else []

    def on(half: npt.NDArray[np.int64], trainings: Sequence[Measured]) -> Array:
        real = np.flatnonzero(np.isin(of_real, half))
        return np.array([_on_half(one.values, of_layout, half, real, statistic) for one in trainings])

    return {
        system: _Values(
            of_trainings=on(np.arange(len(names)), trainings),
            of_halves=np.array([on(half, trainings).mean() for half in chosen]),
        )
        for system, trainings in found.items()
    }


def _on_half(
    values: Values,
    of_layout: npt.NDArray[np.int64],
    half: npt.NDArray[np.int64],
    real: npt.NDArray[np.int64],
    statistic: Statistic,
) -> float:
    """A figure of the samples whose layouts lie in a half, and that are no copies."""
    group = of_layout[np.arange(len(values.kept)) % len(of_layout)]
    return statistic(values, np.flatnonzero(np.isin(group, half) & values.kept), real)


def _frechet(values: Values, samples: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Against all real views: they are the same for all systems."""
    try:
        return frechet_distance(values.real_features, values.features[samples])
    except InputError:  # too few of them
        return np.nan


def _obedience(found: Mapping[str, Sequence[Measured]], foreground: Sequence[int]) -> Statistic:
    """Over the classes that are labelled in the real views and in the samples of every training."""
    every = [one.values for trainings in found.values() for one in trainings]
    labelled = [counts.sum(axis=(0, 2)) for values in every for counts in (values.counts, values.real_counts)]
    compared = [k for k in foreground if all(each[k] > 0 for each in labelled)]

    def mean_dice(counts: Array) -> float:
        scores = dice(counts)[compared] if len(counts) else np.array([np.nan])
        return float(np.nanmean(scores)) if not np.isnan(scores).all() else np.nan

    def obedience(values: Values, samples: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
        below = mean_dice(values.real_counts[real])
        if not compared or not below >= WORST_JUDGE:  # which can't judge others
            return np.nan
        return min(mean_dice(values.counts[samples]) / below, 1.0)

    return obedience

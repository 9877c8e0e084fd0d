"""How two systems differ in the two figures that decide, with intervals over layouts and trainings.

    obedience   min(mean Dice of the judge on samples / mean Dice on real test views, 1): an image that is clearer
                than real ones is no better for it
    Fréchet     the distance between the judge's features of samples and of real test views

    difference = mean over the trainings of one system - mean over those of the other
    interval   = difference + (quantiles of D_h - mean of D_h)

D_h is the difference on a random half: of the groups of the test part, and of the trainings of each system where
there are several. Both systems drew images for the same layouts, so they are compared on the same half of them. Fewer
than 10 groups of layouts, or one with over half of them, give no interval: halves of two groups leave 0 out in half of
all cases in which nothing differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from labelmint.comparison.measured import Measured, Values
from labelmint.errors import InputError
from labelmint.evaluation.material import FEWEST_LAYOUTS
from labelmint.evaluation.obedience import WORST_JUDGE
from labelmint.metrics.bootstrap import around, halves
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.overlap import dice
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


def _difference(figure: str, one: str, other: str, each: Mapping[str, Array]) -> Difference:
    """The difference of two systems; of the values of each the first is that of everything, the others are those of
    halves.
    """
    apart = each[one] - each[other]
    if np.isnan(apart[0]):
        return Difference(figure=figure, one=one, other=other)
    value, of_halves = float(apart[0]), apart[1:]
    if not len(of_halves) or np.isnan(of_halves).any():
        return Difference(figure=figure, one=one, other=other, value=value)
    low, high = around(value, of_halves)
    return Difference(figure=figure, one=one, other=other, value=value, low=low, high=high)


def _on_halves(
    found: Mapping[str, Sequence[Measured]],
    groups: Sequence[str],
    real_groups: Sequence[str],
    statistic: Statistic,
    repeats: int,
    seed: int,
) -> dict[str, Array]:
    """A system's figure on everything and on each half, (1 + repeats,), or on everything alone where halves say too
    little; NaN where it can't be computed.
    """
    names = sorted({*groups, *real_groups})
    place = {name: k for k, name in enumerate(names)}
    of_layout, of_real = (np.array([place[name] for name in each]) for each in (groups, real_groups))
    layouts = Counter(groups).values()
    enough = len(layouts) >= FEWEST_LAYOUTS and 2 * max(layouts) <= len(groups)
    chosen = [np.arange(len(names)), *(halves(len(names), repeats, seed) if enough else ())]
    rngs = {system: np.random.default_rng([seed, k]) for k, system in enumerate(found)}
    values: dict[str, list[float]] = {system: [] for system in found}
    for turn, half in enumerate(chosen):
        real = np.flatnonzero(np.isin(of_real, half))
        for system, trainings in found.items():
            some = trainings if turn == 0 else _half_of(trainings, rngs[system])
            values[system].append(
                float(np.mean([_on_half(one.values, of_layout, half, real, statistic) for one in some]))
            )
    return {system: np.array(each) for system, each in values.items()}


def _half_of(trainings: Sequence[Measured], rng: np.random.Generator) -> list[Measured]:
    """A random half, and the one where there is one alone."""
    return [trainings[k] for k in rng.permutation(len(trainings))[: max(len(trainings) // 2, 1)]]


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

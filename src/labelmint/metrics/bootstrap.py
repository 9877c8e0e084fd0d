"""Intervals by the bootstrap (Efron 1979): the percentiles of a statistic over resampled items.

    low, high = the (1 - level) / 2 and (1 + level) / 2 quantiles of s(I_1), ..., s(I_R),  I_r = items drawn
    with replacement

Where items come in groups (slices of a patient, crops of a slide), whole groups are drawn: items of one group
are no independent evidence, and drawing them apart would make the interval too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["around", "half_interval", "halves", "interval", "quotient_interval"]


def interval(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    count: int,
    repeats: int = 200,
    seed: int = 0,
    level: float = 0.95,
    groups: Sequence[object] | Array | None = None,
) -> tuple[float, float]:
    """The bootstrap interval of a statistic.

    Arguments:
        statistic: takes indices (about `count` of them, repeats among them) into the items and returns a
            number, NaN where it is undefined for them.
        count: how many items there are, at least 1.
        repeats: how many times the items are resampled.
        seed: of the resampling.
        level: in (0, 1), the share of the resampled values within the interval.
        groups: the group of each item (`count` hashable values). As many groups as there are get drawn, so
            that the number of indices varies where groups differ in size.

    Returns (low, high); NaN values are left out, and both ends are NaN when all are.
    Raises InputError when an argument is out of range or `groups` is not one value an item.
    """
    if count < 1 or repeats < 1 or not 0 < level < 1:
        raise InputError(
            f"an interval needs items, repeats and a level in (0, 1); got {count}, {repeats} and {level}"
        )
    members = [np.array([item]) for item in range(count)] if groups is None else _members(groups, count)
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        values.append(float(statistic(_redrawn(members, generator))))
    return _percentiles(sorted(value for value in values if not math.isnan(value)), level)


def quotient_interval(
    above: Callable[[npt.NDArray[np.int64]], float],
    above_count: int,
    below: Callable[[npt.NDArray[np.int64]], float],
    below_groups: Sequence[object] | Array,
    repeats: int = 200,
    seed: int = 0,
    level: float = 0.95,
    above_groups: Sequence[object] | Array | None = None,
) -> tuple[float, float]:
    """The bootstrap interval of above / below, statistics of two sets that are resampled apart from each
    other.

    Arguments:
        above: takes indices into `above_count` items. below: takes indices into the items of the other set.
        above_groups, below_groups: the group of each item; whole groups are resampled. None: single items.
        repeats, seed, level: as for `interval`.

    Quotients over 0 are left out.
    """
    over = _members(range(above_count) if above_groups is None else above_groups, above_count)
    under = _members(below_groups, len(below_groups))
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        numerator = above(_redrawn(over, generator))
        denominator = below(_redrawn(under, generator))
        values.append(numerator / denominator if denominator > 0 else math.nan)
    return _percentiles(sorted(value for value in values if not math.isnan(value)), level)


def half_interval(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    value: float,
    count: int,
    repeats: int = 50,
    seed: int = 0,
    level: float = 0.95,
    groups: Sequence[object] | Array | None = None,
) -> tuple[float, float]:
    """The interval of a distance between sets, for which a doubled item is no second item (Politis and Romano
    1994).

        value + quantiles of sqrt(k / (n - k)) (D_h - mean of D_h),   D_h: the statistic on random halves, k of the
        n items, drawn without replacement

    Halves deviate from their mean as the whole set does from its own; how far they lie from `value` is the
    bias of fewer items, which is left out. Whole groups may hold more than half of the items, and the more they hold
    the less they deviate: hence the factor, which is 1 for single items.

    Arguments:
        statistic: takes indices of half of the items.
        value: the statistic of all `count` items, at least 2.
        groups: the group of each item, as for `interval`; whole groups are drawn until they hold half of the items.

    Raises InputError below 2 items, and where one group holds over half of them.
    """
    found, factors = [], []
    for half in halves(count, repeats, seed, groups):
        found.append(float(statistic(half)))
        factors.append(
            max(1.0, math.sqrt(len(half) / (count - len(half))))
        )  # 1 for single items of an odd number, too
    return around(value, found, level, factors)


def halves(
    count: int, repeats: int = 50, seed: int = 0, groups: Sequence[object] | Array | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of random halves of `count` items, drawn without replacement; where these come in groups, of as many
    whole groups as hold half, which are more than half of the items where groups are large. Raises InputError below
    2 items, and where one group holds over half of them: then there are no halves.
    """
    if count < 2:
        raise InputError(f"an interval by halves needs at least 2 items, got {count}")
    members = _members(range(count) if groups is None else groups, count)
    sizes = np.array([len(items) for items in members])
    if 2 * sizes.max() > count:
        raise InputError(f"an interval by halves needs groups of at most half of the {count} items")
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(len(members)) for _ in range(repeats))
    return (
        np.concatenate(
            [members[k] for k in order[: int(np.searchsorted(sizes[order].cumsum(), count // 2)) + 1]]
        )
        for order in orders
    )


def around(
    value: float,
    of_halves: Sequence[float] | Array,
    level: float = 0.95,
    factors: Sequence[float] | Array | float = 1.0,
) -> tuple[float, float]:
    """The interval above, of a statistic that is `value` on all items, from its values on halves and the factor of
    the deviation of each.
    """
    found = np.asarray(of_halves, np.float64)
    low, high = _percentiles(sorted(((found - found.mean()) * np.asarray(factors)).tolist()), level)
    return value + low, value + high


def _redrawn(
    members: Sequence[npt.NDArray[np.int64]], generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The items of as many groups as there are, drawn with replacement."""
    drawn = generator.integers(len(members), size=len(members))
    return np.concatenate([members[group] for group in drawn])


def _members(groups: Sequence[object] | Array, count: int) -> list[npt.NDArray[np.int64]]:
    """The items of each group, groups in order of their first item."""
    names = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(names) != count:
        raise InputError(f"groups must name the group of each of the {count} items; got {len(names)} names")
    members: dict[object, list[int]] = {}
    for item, name in enumerate(names):
        members.setdefault(name, []).append(item)
    return [np.array(items) for items in members.values()]


def _percentiles(values: list[float], level: float) -> tuple[float, float]:
    """Ends among the sorted values themselves, outward where they fall between two: nothing to interpolate
    with infinity.
    """
    if not values:
        return math.nan, math.nan
    edge = (1 - level) / 2 * (len(values) - 1)
    return values[math.floor(edge)], values[len(values) - 1 - math.floor(edge)]

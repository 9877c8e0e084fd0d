"""Bootstrap intervals: the width of a mean's, groups drawn whole, NaN left out, the seed."""

import math
from itertools import combinations

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.bootstrap import around, half_interval, halves, interval, quotient_interval

RNG = np.random.default_rng(7)
VALUES = RNG.normal(size=400)


def _mean(index: np.ndarray) -> float:
    return float(VALUES[index].mean())


@pytest.mark.parametrize(("level", "width"), [(0.95, 1.96), (0.5, 0.674)])
def test_the_interval_of_a_mean_is_that_of_its_standard_error(level: float, width: float) -> None:
    low, high = interval(_mean, 400, repeats=2000, level=level)
    error = VALUES.std() / np.sqrt(400)
    assert (low, high) == pytest.approx(
        (VALUES.mean() - width * error, VALUES.mean() + width * error), abs=0.2 * error
    )


def test_it_is_that_of_scipy_within_the_noise_of_resampling() -> None:
    from scipy.stats import bootstrap

    theirs = bootstrap((VALUES,), np.median, n_resamples=2000, method="percentile", rng=1).confidence_interval
    ours = interval(lambda index: float(np.median(VALUES[index])), 400, repeats=2000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_indices_are_as_many_as_the_items_with_repeats() -> None:
    seen: list[np.ndarray] = []
    interval(lambda index: float(seen.append(index) or 0), 30, repeats=20)
    assert len(seen) == 20
    for index in seen:
        assert index.dtype == np.int64
        assert len(index) == 30 and index.min() >= 0 and index.max() < 30
    assert all(len(set(index.tolist())) < 30 for index in seen)


def test_the_seed_fixes_the_interval() -> None:
    assert interval(_mean, 400, seed=5) == interval(_mean, 400, seed=5)
    assert interval(_mean, 400, seed=5) != interval(_mean, 400, seed=6)


def test_groups_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "c", "c"]

    def check(index: np.ndarray) -> float:
        times = np.bincount(index, minlength=6)
        assert times[0] == times[2] and times[3] == times[4] == times[5]
        assert times[0] + times[1] + times[3] == 3
        return float(len(index))

    low, high = interval(check, 6, groups=groups, level=0.99)
    assert low < 6 < high


def test_groups_are_named_by_any_values_and_a_number_is_not_its_text() -> None:
    named = [("slide", k % 7) for k in range(40)]
    assert interval(_mean, 40, groups=named) == interval(_mean, 40, groups=[k % 7 for k in range(40)])
    mixed, apart = [1, "1"] * 20, ["a", "b"] * 20
    assert interval(_mean, 40, groups=mixed) == interval(_mean, 40, groups=apart)


def test_groups_of_like_items_widen_the_interval() -> None:
    alike, groups = np.repeat(RNG.normal(size=40), 10), np.repeat(np.arange(40), 10)
    apart = interval(lambda index: float(alike[index].mean()), 400)
    whole = interval(lambda index: float(alike[index].mean()), 400, groups=groups)
    assert whole[1] - whole[0] > 2 * (apart[1] - apart[0])
    assert interval(_mean, 400, groups=range(400)) == interval(_mean, 400)


def test_undefined_values_are_left_out_and_infinite_ones_stay() -> None:
    def sometimes(index: np.ndarray) -> float:
        return math.nan if index[0] % 2 else 3.0

    assert interval(sometimes, 10) == (3, 3)
    assert all(map(math.isnan, interval(lambda index: math.nan, 10)))
    assert interval(lambda index: math.inf, 10) == (math.inf, math.inf)


def test_ends_are_ordered_and_cover_at_least_the_level() -> None:
    for repeats in (1, 2, 3, 40, 200):
        drawn: list[float] = []

        def remember(index: np.ndarray, drawn: list[float] = drawn) -> float:
            drawn.append(_mean(index))
            return drawn[-1]

        low, high = interval(remember, 400, repeats=repeats)
        assert low <= high
        assert np.mean([(low <= value <= high) for value in drawn]) >= 0.95


@pytest.mark.parametrize(
    "changed", [{"count": 0}, {"repeats": 0}, {"level": 0.0}, {"level": 1.0}, {"groups": [1, 2]}]
)
def test_bad_arguments_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(InputError):
        interval(_mean, **{"count": 5, **changed})  # type: ignore[arg-type]


def test_a_quotient_resamples_both_sets_apart_from_each_other() -> None:
    rng = np.random.default_rng(0)
    above, below = rng.normal(2, 0.5, 100), rng.normal(1, 0.2, 500)
    low, high = quotient_interval(
        lambda i: float(above[i].mean()), 100, lambda i: float(below[i].mean()), np.arange(500), repeats=2000
    )
    # By the delta method the deviation is that of the smaller set: 2 standard errors either side.
    wanted = 2 * 1.96 * (above.mean() / below.mean()) * np.hypot(0.5 / 10 / 2, 0.2 / np.sqrt(500))
    assert high - low == pytest.approx(wanted, rel=0.12)
    assert low < above.mean() / below.mean() < high


def test_whole_groups_widen_a_quotient() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(5), 100)
    below = rng.normal(1, 0.2, 5)[groups]
    widths = []
    for given in (np.arange(500), groups):
        low, high = quotient_interval(lambda i: 1.0, 10, lambda i: float(below[i].mean()), given)
        widths.append(high - low)
    assert widths[1] > 4 * widths[0]


def test_whole_groups_above_widen_a_quotient_and_halves_and_single_items_change_nothing() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    items = rng.normal(1, 0.2, 10)[groups] + rng.normal(0, 0.01, 200)

    def mean(index: np.ndarray) -> float:
        return float(items[index].mean())

    quotients = [
        quotient_interval(mean, 200, lambda i: 1.0, [0], above_groups=given)
        for given in (None, np.arange(200), groups)
    ]
    halved = [
        half_interval(mean, mean(np.arange(200)), 200, groups=given) for given in (None, range(200), groups)
    ]
    for alone, each, whole in (quotients, halved):
        assert alone == each
        assert whole[1] - whole[0] > 3 * (alone[1] - alone[0])


def test_halves_give_the_interval_of_a_mean() -> None:
    items = np.random.default_rng(0).normal(0, 1, 400)
    low, high = half_interval(lambda i: float(items[i].mean()), float(items.mean()), 400, repeats=2000)
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.12)
    assert low < items.mean() < high
    with pytest.raises(InputError, match="at least 2"):
        half_interval(lambda i: 0.0, 0.0, 1)


def test_halves_of_more_than_half_of_the_items_are_widened_by_as_much_as_they_deviate_less() -> None:
    groups = np.repeat(np.arange(5), 20)
    items = np.random.default_rng(0).normal(0, 1, 5)[groups]  # 3 of 5 groups are drawn: sqrt(60 / 40) as wide
    means = [items[np.isin(groups, three)].mean() for three in combinations(range(5), 3)]
    low, high = half_interval(
        lambda i: float(items[i].mean()), 0.0, 100, repeats=400, groups=groups, level=0.999
    )
    assert high - low == pytest.approx(math.sqrt(1.5) * (max(means) - min(means)))


def test_there_are_no_halves_where_one_group_holds_over_half_of_the_items() -> None:
    assert half_interval(lambda i: 1.0, 1.0, 4, groups=[0, 0, 1, 2]) == (1, 1)
    with pytest.raises(InputError, match="at most half of the 5 items"):
        half_interval(lambda i: 1.0, 1.0, 5, groups=[0, 0, 0, 1, 2])


def test_single_items_of_an_odd_number_have_the_interval_of_their_halves_as_they_are() -> None:
    found = [_mean(half) for half in halves(25, 50)]
    assert half_interval(_mean, 0.5, 25) == around(0.5, found)

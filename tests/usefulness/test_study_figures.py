"""Gain, headroom, worth and intervals on scores of which the answers are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.usefulness.study_fakes import CLASSES, with_dice

from labelmint.usefulness.arms import ArmResult
from labelmint.usefulness.best import rivals_at
from labelmint.usefulness.cells import Record
from labelmint.usefulness.figures import (
    better_of,
    blind_dice,
    differences,
    interval_of,
    share_closed,
    worth_of,
)
from labelmint.usefulness.outcome import Candidate, Outcome, Point
from labelmint.usefulness.plan import GIVEN
from labelmint.usefulness.recipe import STRONG
from labelmint.usefulness.report_gain import headroom
from labelmint.usefulness.report_scores import by_class
from labelmint.usefulness.settling import Settled
from labelmint.usefulness.verdict import answer_at


def record(arm: str, seed: int, dice: float) -> Record:
    """An arm of this test Dice."""
    settled = Settled(recipe=STRONG, phases=(1,), reached=True, dice=dice, most_steps=1)
    result = ArmResult(
        arm=arm,
        ratio=None,
        seed=seed,
        settled=settled,
        steps=1,
        best_step=None,
        plateau=True,
        validation_loss=None,
        validation=None,
        test=with_dice(dice),
        seconds=1,
        device="cpu",
        precision="32-true",
    )
    return Record(result=result, samples=None, seconds=1)


def test_the_interval_is_students_and_one_seed_has_none() -> None:
    found = interval_of([1.0, 2.0, 3.0])  # t(0.975, 2) = 4.302653, standard deviation 1
    assert (found.mean, found.count) == (2.0, 3)
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-5)
    alone = interval_of([0.5])
    assert (alone.mean, alone.low, alone.high) == (0.5, None, None)


def test_intervals_hold_the_true_mean_19_times_of_20() -> None:
    rng = np.random.default_rng(0)
    found = [interval_of(list(rng.normal(3, 2, 3))) for _ in range(2000)]
    held = np.mean([one.low is not None and one.high is not None and one.low < 3 < one.high for one in found])
    assert abs(held - 0.95) < 0.015


def test_differences_are_paired_by_seed() -> None:
    assert differences({0: 0.9, 1: 0.5, 7: 1.0}, {1: 0.25, 0: 0.4, 8: 0.0}) == {
        0: pytest.approx(50),
        1: pytest.approx(25),
    }


def test_the_better_baseline_is_that_of_the_higher_mean() -> None:
    assert better_of({"A": {0: 0.5, 1: 0.7}, "C": {0: 0.55, 1: 0.71}}) == "C"


def test_worth_lies_on_the_line_in_the_logarithm_of_n() -> None:
    curve = {10: 0.5, 100: 0.7, 1000: 0.8}
    assert worth_of(0.6, curve, 10).images == pytest.approx(math.sqrt(1000))
    assert worth_of(0.6, curve, 10).words == "32"
    assert worth_of(0.75, curve, 10).images == pytest.approx(math.sqrt(100 * 1000))
    assert worth_of(0.81, curve, 10).words == "more than 1000"
    assert worth_of(0.4, curve, 100).words == "fewer than 10"


@given(st.floats(0.01, 0.99))
def test_worth_is_the_inverse_of_the_curve(share: float) -> None:
    curve = {5: 0.2, 40: 0.65}
    images = math.exp(math.log(5) + share * math.log(8))
    assert worth_of(0.2 + share * 0.45, curve, 5).images == pytest.approx(images, rel=1e-9)


def test_a_dip_in_the_curve_does_not_hide_where_it_is_first_reached() -> None:
    assert worth_of(0.5, {10: 0.4, 20: 0.6, 40: 0.45, 80: 0.9}, 10).images < 20


def test_a_gain_is_never_worth_fewer_images_than_there_were() -> None:
    """Where the curve has a dip at n, a score above it is sought upwards, though fewer images once reached
    it.
    """
    assert worth_of(0.74, {5: 0.75, 10: 0.70, 100: 0.80}, 10).images == pytest.approx(10 * 10**0.4)
    assert worth_of(0.79, {5: 0.75, 10: 0.80, 25: 0.78, 100: 0.85}, 25).images > 25
    # a loss is sought downwards
    assert worth_of(0.6, {5: 0.5, 10: 0.7}, 10).images == pytest.approx(math.sqrt(50))


def test_worth_and_share_are_those_of_the_seeds_that_the_curve_has() -> None:
    """Of two seeds A(all) has the first alone, as the budget had it; the second is an easier one."""

    def outcome(*seeds: int) -> Outcome:
        few = {"A": {0: 0.6, 1: 0.8}, "ST": {0: 0.61, 1: 0.83}, "S-1-given": {0: 0.62, 1: 0.84}}
        arms = {
            name: {seed: record(name, seed, scores[seed]) for seed in seeds} for name, scores in few.items()
        }
        chosen = Candidate(1.0, GIVEN)
        points = (
            Point(n=10, arms=arms, candidates=(chosen,), chosen=chosen, asked=frozenset({"A", "S"})),
            Point(n=300, arms={"A": {0: record("A", 0, 0.9)}}),
        )
        return Outcome(
            points=points,
            studied=(10,),
            pool=300,
            seeds=seeds,
            curve=False,
            given=True,
            left_out=(),
            blind=0.0,
        )

    one, both = outcome(0), outcome(0, 1)
    for name in ("worth.n10", "closed.n10"):
        values = [
            next(figure.value for figure in headroom(found).figures if figure.name == name)
            for found in (one, both)
        ]
        assert values[0] == values[1] is not None
    alone, found = (rivals_at(each.at(10), each)[1] for each in (one, both))
    assert alone.name == "ST" and found.gain.mean == pytest.approx(2)
    assert (found.worth, found.closed) == (alone.worth, alone.closed)
    assert found.closed == pytest.approx(1 / 30) and found.worth is not None
    assert found.worth.images == pytest.approx(10 * 30 ** (1 / 30))
    assert f"{100 * 2 / 30:.0f} % are closed" in answer_at(both.at(10), both).text


def partly(*points: Point) -> Outcome:
    """The outcome of a study whose budget left something out."""
    return Outcome(
        points=points, studied=(10,), pool=300, seeds=(0, 1), curve=False, given=True, left_out=(), blind=0.0
    )


def test_an_arm_that_has_no_point_of_the_curve_beside_it_has_no_worth() -> None:
    """The budget left out arm A at 10, which had to be trained again."""
    chosen = Candidate(1.0, GIVEN)
    few = Point(n=10, arms={"S-1-given": {0: record("S", 0, 0.7)}}, candidates=(chosen,), chosen=chosen)
    curve = [Point(n=n, arms={"A": {0: record("A", 0, n / 1000)}}) for n in (20, 300)]
    found = partly(few, *curve)
    assert found.worth(few, "S") is None
    assert "an arm that the answer needs was not trained" in answer_at(few, found).text


def test_gains_of_classes_are_paired_by_seed() -> None:
    """S lacks the seed that is easy for A."""
    chosen = Candidate(1.0, GIVEN)
    arms = {
        "A": {seed: record("A", seed, dice) for seed, dice in enumerate((0.5, 0.9))},
        "S-1-given": {0: record("S", 0, 0.6)},
    }
    point = Point(n=10, arms=arms, candidates=(chosen,), chosen=chosen, asked=frozenset({"A", "S"}))
    (table,) = by_class(partly(point, Point(n=300, arms={})), CLASSES, (1, 2)).tables
    assert table.head[-1] == "S - A, points"
    assert [row[-1] for row in table.rows] == [0, pytest.approx(10), pytest.approx(10)]


def test_the_share_closed_needs_headroom() -> None:
    assert share_closed(2.0, 4.0) == 0.5
    assert share_closed(2.0, 0.4) is None


def test_a_blind_reading_is_the_best_one_for_all_images() -> None:
    """Against every possible set of places of small label maps."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(-1, 3, (5, 2, 4))
        best = []
        for k in (1, 2):
            hits, seen = (labels == k).reshape(5, -1), (labels >= 0).reshape(5, -1)
            sets = (np.array([(code >> bit) & 1 for bit in range(8)], bool) for code in range(1, 256))
            best.append(max(2 * hits[:, one].sum() / (seen[:, one].sum() + hits.sum()) for one in sets))
        assert blind_dice(labels, (1, 2)) == pytest.approx(np.mean(best))
    assert blind_dice(np.zeros((2, 3, 3), int), (1,)) == 0.0

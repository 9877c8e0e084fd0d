"""Differences of two systems: what is known of made-up values, and what their intervals must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.made_up import GROUPS, REAL_GROUPS, SAMPLES, measured

from labelmint.comparison.differences import FRECHET, OBEDIENCE, Difference, differences
from labelmint.comparison.measured import Measured


def of(found: dict[str, list[Measured]], repeats: int = 20) -> dict[str, Difference]:
    each = differences(found, GROUPS, REAL_GROUPS, (1,), repeats=repeats)
    return {one.figure: one for one in each}


def test_a_system_and_itself_differ_by_nothing() -> None:
    same = measured("flow")
    for each in of({"flow": [same], "spade": [same]}).values():
        assert (each.value, each.low, each.high) == (0, 0, 0)
        assert each.favors == ""


def test_the_truer_and_the_nearer_system_is_favored_in_either_order() -> None:
    true, near = measured("flow", right=0.9, away=1.0), measured("spade", right=0.5, away=0.0)
    found = of({"flow": [true], "spade": [near]})
    assert found[OBEDIENCE].favors == "flow" and found[FRECHET].favors == "spade"
    turned = of({"spade": [near], "flow": [true]})
    for figure, each in turned.items():
        assert each.favors == found[figure].favors
        assert each.value == pytest.approx(-found[figure].value)  # type: ignore[operator]
    assert found[OBEDIENCE].value == pytest.approx(0.4 / 0.9, abs=0.03)
    assert found[FRECHET].value == pytest.approx(3.0, abs=1.2)


def test_two_that_are_alike_are_seldom_told_apart() -> None:
    told = [
        bool(each.favors)
        for turn in range(4)
        for each in of(
            {"flow": [measured("flow", turn, 0.8)], "spade": [measured("spade", turn, 0.8)]}, 50
        ).values()
    ]
    assert len(told) == 8 and sum(told) <= 1


def test_images_that_are_clearer_than_real_ones_gain_nothing() -> None:
    found = of({"flow": [measured("flow", right=0.99)], "spade": [measured("spade", right=0.95)]})
    assert found[OBEDIENCE].value == 0 and found[OBEDIENCE].favors == ""


def test_trainings_that_differ_widen_the_interval() -> None:
    other = measured("spade", away=0.3)
    one = of({"flow": [measured("flow", away=0.3)], "spade": [other]})[FRECHET]
    two = of({"flow": [measured("flow", away=0.0), measured("flow", 1, away=0.6)], "spade": [other]})[FRECHET]
    assert two.high - two.low > 2 * (one.high - one.low)  # type: ignore[operator]


def test_two_systems_whose_trainings_differ_as_much_as_they_do_are_not_told_apart() -> None:
    """Halves of two trainings left 0 out here, as in a third of all cases in which nothing differs."""
    flow = [measured("flow", seed, away=away) for seed, away in enumerate((0.0, 0.6))]
    spade = [measured("spade", seed, away=away) for seed, away in enumerate((0.8, 1.0))]
    found = of({"flow": flow, "spade": spade}, 20)[FRECHET]
    alone = [of({"flow": [one], "spade": [other]}, 20)[FRECHET] for one in flow for other in spade]
    assert all(one.favors == "flow" for one in alone)
    assert found.favors == ""
    assert found.value == pytest.approx(np.mean([one.value for one in alone]))
    more = of({"flow": flow * 4, "spade": spade * 4}, 20)[FRECHET]
    assert more.favors == "flow" and more.value == pytest.approx(found.value)


def test_copies_are_left_out() -> None:
    clean = measured("flow")
    kept = np.arange(SAMPLES) < SAMPLES // 2
    features = np.where(kept[:, None], clean.values.features, 50.0)
    copying = replace(clean, values=replace(clean.values, features=features, kept=kept))
    assert abs(of({"flow": [clean], "spade": [copying]})[FRECHET].value) < 0.5  # type: ignore[arg-type]


def test_what_cannot_be_computed_has_no_interval_and_favors_nobody() -> None:
    blind = measured("flow")
    blind = replace(blind, values=replace(blind.values, real_counts=blind.values.real_counts[:, ::-1]))
    found = of({"flow": [blind], "spade": [measured("spade")]})
    assert found[OBEDIENCE].value is None and found[OBEDIENCE].favors is None
    few = measured("flow")
    few = replace(few, values=replace(few.values, kept=np.arange(SAMPLES) < 3))
    assert of({"flow": [few], "spade": [measured("spade")]})[FRECHET].favors is None


@pytest.mark.parametrize(
    "groups",
    [["a"] * 60, [f"patient-{k % 9}" for k in range(60)], ["a"] * 31 + [f"b-{k}" for k in range(29)]],
)
def test_few_groups_and_one_that_is_most_of_all_give_no_interval(groups: list[str]) -> None:
    found = {"flow": [measured("flow", away=3.0)], "spade": [measured("spade")]}
    each = differences(found, groups, groups + groups[:30], (1,), repeats=20)
    assert [one.favors for one in each] == [None, None]
    assert all(one.value is not None for one in each)

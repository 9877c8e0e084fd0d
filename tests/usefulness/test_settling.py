"""How the n labels are divided, and when a recipe takes the place of another."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.datasets.pair import Pair
from labelmint.usefulness.folds import held_for_generator, two_folds
from labelmint.usefulness.scoring import mean_dice
from labelmint.usefulness.settling import beyond_one_error


def pairs(groups: str, shown: str = "") -> list[Pair]:
    """A pair for each letter of `groups`; those at the places of `shown` show class 1."""
    return [
        Pair(
            name=f"{k}",
            group=group,
            image=np.zeros((4, 4, 1), np.uint8),
            ids=np.full((4, 4), int(not shown or shown[k] == "x"), np.int16),
        )
        for k, group in enumerate(groups)
    ]


@pytest.mark.parametrize("groups", ["abcdefghij", "aabbccdde", "aaab", "aaaa"])
def test_folds_hold_every_pair_once_and_divide_no_group(groups: str) -> None:
    made = pairs(groups)
    folds = two_folds(made, (1,), 0)
    assert sorted(place for fold in folds for place in fold) == list(range(len(groups)))
    assert all(folds)
    if len(set(groups)) > 1:
        first, second = ({groups[place] for place in fold} for fold in folds)
        assert not first & second
    assert two_folds(made, (1,), 0) == folds


def test_each_fold_shows_what_two_pairs_show() -> None:
    for seed in range(20):
        made = pairs("abcdefgh", "x..x....")
        assert all({0, 3} & set(fold) for fold in two_folds(made, (1,), seed))


def test_a_generator_is_held_to_a_tenth_of_at_least_two_groups() -> None:
    assert len(held_for_generator(pairs("abcdefghij"), (1,), 0)) == 2
    assert len(held_for_generator(pairs([chr(97 + k) for k in range(40)]), (1,), 0)) == 4  # type: ignore[arg-type]
    held = held_for_generator(pairs("aabbccdd"), (1,), 0)
    assert len(held) == 4


def test_a_recipe_is_taken_beyond_one_standard_error_alone() -> None:
    """Against the jackknife written out; and a gain on one image of many is none."""
    rng = np.random.default_rng(0)
    before = rng.integers(5, 50, (6, 2, 2))
    after = before + np.array([[3, 0], [0, 3]])
    gain, error, taken = beyond_one_error(before, after, (1,))
    assert gain == mean_dice(after.sum(axis=0), (1,)) - mean_dice(before.sum(axis=0), (1,))
    without = [
        mean_dice(np.delete(after, k, 0).sum(axis=0), (1,))
        - mean_dice(np.delete(before, k, 0).sum(axis=0), (1,))
        for k in range(6)
    ]
    assert error == pytest.approx(np.sqrt(5 / 6 * ((np.array(without) - np.mean(without)) ** 2).sum()))
    assert taken
    lucky = before.copy()
    lucky[2] = [[before[2].sum() // 2, 0], [0, before[2].sum() // 2]]
    assert not beyond_one_error(before, lucky, (1,))[2]
    assert not beyond_one_error(before[:1], after[:1], (1,))[2]

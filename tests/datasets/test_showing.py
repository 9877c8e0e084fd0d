"""Views that show rare classes: each as often as the others, in the share of views that was asked for."""

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.rebalancing import Showing


def rare() -> Pairs:
    """Ten large maps of 0, one pixel of 3 in the fourth, a row of 7 in two others."""
    ids = [np.zeros((120, 90), np.int16) for _ in range(10)]
    ids[3][100, 5] = 3
    ids[6][0], ids[7][119] = 7, 7
    return Pairs(
        [np.zeros((120, 90, 1), np.uint8)] * 10,
        ids,
        Geometry(size=(16, 16), crop=True),
        0,
        {0: 0, 3: 30, 7: 70},
    )


def shares(pairs: Pairs) -> dict[int, float]:
    views = np.concatenate([pairs.batch(step, 50).layouts.ids.flatten(1).numpy() for step in range(20)])
    return {k: float((views == k).any(axis=1).mean()) for k in (3, 7)}


def test_each_class_is_shown_as_often_as_the_others() -> None:
    found = shares(rare().showing(0.6))
    assert found[3] == pytest.approx(0.2, abs=0.05)  # a third of 0.6
    assert found[7] == pytest.approx(0.2 + 0.4 * 0.2 * 0.15, abs=0.05)  # and by chance
    assert shares(rare())[3] < 0.01


def test_without_a_share_batches_are_as_they_were_and_with_one_they_depend_on_seed_and_step() -> None:
    plain, shown = rare(), rare().showing(0.6)
    assert plain.batch(4, 8).layouts.ids.equal(plain.showing(0.0).batch(4, 8).layouts.ids)
    assert shown.batch(4, 8).layouts.ids.equal(rare().showing(0.6).batch(4, 8).layouts.ids)
    halves = [shown.batch(4, 8, rank, 2).layouts.ids for rank in (0, 1)]
    assert halves[1].equal(shown.batch(4, 8).layouts.ids[1::2])


def test_only_wanted_classes_are_shown_and_none_is_nothing() -> None:
    ids, rng = rare().ids, np.random.default_rng(0)
    for _ in range(20):
        which, place = Showing(ids, {7: 7}).choose(rng)
        assert ids[which][place] == 7
    assert not Showing(ids, {5: 5})


def test_ids_of_one_class_count_as_one() -> None:
    ids = [np.zeros((8, 8), np.uint8) for _ in range(3)]
    ids[0][0, :4], ids[1][0, :2], ids[2][5, 5] = (1, 2, 3, 3), 2, 9
    rng, showing = np.random.default_rng(0), Showing(ids, {1: 10, 2: 10, 3: 10, 9: 90})
    found = [int(ids[which][place]) for which, place in (showing.choose(rng) for _ in range(400))]
    assert found.count(9) / 400 == pytest.approx(0.5, abs=0.08)
    assert {1, 2, 3, 9} == set(found)

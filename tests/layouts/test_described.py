"""Layouts are drawn until they are as described, or not at all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tests.layouts.sentences import HAND, by_hand, generated, lexicon_of
from tests.layouts.stand_in import Resampled, made_up, rule_for

from labelmint.errors import InputError
from labelmint.layouts.asked import wishes_for
from labelmint.layouts.described import MOST_CANDIDATES, DescribedLayouts, Unmet
from labelmint.layouts.grammar import understood
from labelmint.layouts.usual import Usual
from labelmint.layouts.wishes import Wishes
from labelmint.layouts.wishes_met import Met, wishes_met

SIZE = (64, 96)


def described(text: str, name: str = "camvid", most: int = 6, boxes: int | None = None) -> DescribedLayouts:
    kinds = len(HAND["sets"][name]["classes"])
    layouts = made_up(kinds, 20, most=most)
    description = understood(text, lexicon_of(name))
    return DescribedLayouts(
        description, Resampled(layouts, SIZE), rule_for(kinds), range(kinds), Usual(layouts), SIZE, boxes
    )


def seeds(count: int, seed: int = 0) -> list[tuple[int, int]]:
    return [(seed, index) for index in range(count)]


def test_most_wishes_are_met_within_20_candidates() -> None:
    sentences = [*by_hand()[::8], *(one for name in HAND["sets"] for one in generated(name, 3, seed=1))]
    met = list[bool]()
    for one in sentences:
        found = described(one.text, one.of).found(seeds(1), {})[0]
        assert found.candidates <= MOST_CANDIDATES
        met += found.met.wishes
    assert np.mean(met) >= 0.95


def test_what_is_drawn_is_checked_anew_and_holds() -> None:
    source = described("two cars on the left and a sign above a car, no trees")
    drawn = source.sample(seeds(3), {})
    assert drawn.boxes is not None
    for padded in drawn.boxes.double().numpy():
        objects = source.objects(padded[padded[:, 0] >= 0])
        assert wishes_met(source.description, objects, SIZE, source.usual).all
    assert set(np.unique(drawn.ids)) <= set(range(12))


def test_what_is_checked_are_the_boxes_that_images_are_drawn_for() -> None:
    source = described("a large car", boxes=6)
    (found,) = source.found(seeds(1), {})
    assert len(found.boxes) == 6 and found.met.all
    assert wishes_met(source.description, source.objects(found.boxes), SIZE, source.usual).all


def test_a_layout_depends_on_its_seed_alone() -> None:
    source = described("a pedestrian next to a car, no signs on the left")
    together, alone = source.found(seeds(3), {}), source.found(seeds(3)[2:], {})[0]
    assert np.array_equal(together[2].boxes, alone.boxes)
    assert together[2].candidates == alone.candidates
    assert not np.array_equal(together[0].boxes, source.found(seeds(1, seed=1), {})[0].boxes)


def test_what_can_t_be_met_is_said_with_counts() -> None:
    source = described("a car left of a pedestrian, a pedestrian left of a car")
    with pytest.raises(InputError) as stopped:
        source.sample(seeds(2), {})
    assert "20 candidates" in str(stopped.value)
    assert "left of" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_what_can_t_be_met_holds_the_rows_and_the_nearest_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    source = described("two cars on the left")
    good = source.found(seeds(3), {})
    bad = dataclasses.replace(good[1], met=Met((False,)))
    monkeypatch.setattr(source, "found", lambda *_: [good[0], bad, good[2]])
    with pytest.raises(Unmet) as stopped:
        source.sample(seeds(3), {})
    assert stopped.value.rows == (1,)
    assert stopped.value.layouts is not None
    assert torch.equal(stopped.value.layouts.ids, source.layouts([one.boxes for one in good]).ids)


def test_forbidden_objects_are_left_out_rather_than_drawn_again() -> None:
    source = described("no cars on the left")
    assert [one.candidates for one in source.found(seeds(4), {})] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("up to 1000000 cars on the left, at most 16 trees on the right, two signs", 2),
        ("many cars, at most 3 cars", 3),
    ],
)
def test_no_more_is_asked_for_than_there_may_be(text: str, least: int) -> None:
    description, usual = understood(text, lexicon_of("camvid")), Usual(made_up(11, 20))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wishes = wishes_for(description, usual, SIZE, frozenset(range(11)), 16, rng)
        assert least <= len(wishes.objects) <= 16


def test_a_relation_to_what_fits_nowhere_is_left_to_rejection() -> None:
    usual = Usual([np.array([[8, 0, 0, 1, 1], [5, 0, 0, 1, 1]])])  # their centers are never on the left
    description = understood("a car above a tree on the left", lexicon_of("camvid"))
    rng = np.random.default_rng(0)
    assert len(wishes_for(description, usual, SIZE, frozenset(range(11)), 16, rng).objects) == 2


def test_a_closed_number_bounds_the_class_and_an_open_one_does_not() -> None:
    asked: list[Wishes] = []

    class Listening(Resampled):
        def sample(self, seeds, dials, kept=None, wishes=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            asked.extend(wishes or [])
            return super().sample(seeds, dials, kept, wishes)

    layouts = made_up(11, 10)
    for text in ("two cars, some trees, at most three signs, no poles", "only cars"):
        description = understood(text, lexicon_of("camvid"))
        source = Listening(layouts, SIZE)
        DescribedLayouts(description, source, rule_for(11), range(11), Usual(layouts), SIZE).found(
            seeds(1), {}
        )
    first, *_, last = asked
    assert first.most_of == {8: 2, 6: 3, 2: 0}
    assert sorted(wish.class_id for wish in first.objects) == [5, 5, 8, 8]
    assert last.most_of == dict.fromkeys({*range(11)} - {8}, 0)

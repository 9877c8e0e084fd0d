"""Laws of wishes: each takes an object of its own, and bounds count all objects of a class."""

from __future__ import annotations

import pytest

from labelmint.layouts.wishes import Wish, Wishes, size_of

LEFT, RIGHT = (0.1, 0.4, 0.3, 0.6), (0.7, 0.4, 0.9, 0.6)


def test_size_is_a_side_of_the_square_of_the_same_area() -> None:
    assert size_of((0.0, 0.0, 1.0, 1.0)) == 1.0
    assert size_of((0.1, 0.1, 0.3, 0.6)) == pytest.approx(0.1**0.5)


def test_a_wish_names_class_place_and_size() -> None:
    wish = Wish(class_id=2, within=(0.0, 0.0, 0.5, 1.0), least=0.1, most=0.3)
    assert wish.met_by(2, LEFT)
    assert not wish.met_by(1, LEFT)
    assert not wish.met_by(2, RIGHT)
    assert not wish.met_by(2, (0.0, 0.0, 0.5, 1.0))


def test_two_wishes_need_two_objects() -> None:
    wishes = Wishes(objects=(Wish(class_id=2), Wish(class_id=2)))
    assert not wishes.met_by([(2, LEFT)])
    assert wishes.met_by([(2, LEFT), (2, RIGHT)])


def test_a_wish_for_any_place_leaves_the_place_that_another_needs() -> None:
    wishes = Wishes(objects=(Wish(class_id=2), Wish(class_id=2, within=(0.0, 0.0, 0.5, 1.0))))
    assert wishes.met_by([(2, LEFT), (2, RIGHT)])
    assert wishes.matched([(2, LEFT), (2, RIGHT)]) == {0: 1, 1: 0}


def test_a_bound_counts_all_objects_of_its_class() -> None:
    assert Wishes(most_of={2: 1}).met_by([(2, LEFT), (1, RIGHT)])
    assert not Wishes(most_of={2: 1}).met_by([(2, LEFT), (2, RIGHT)])
    assert not Wishes(most_of={2: 0}).met_by([(2, LEFT)])


@pytest.mark.parametrize("within", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 1.2, 1.0)])
def test_a_region_that_holds_nothing_is_refused(within: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="within"):
        Wish(class_id=0, within=within)


def test_sizes_that_nothing_has_and_more_wishes_than_there_may_be_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes"):
        Wish(class_id=0, least=0.5, most=0.5)
    with pytest.raises(ValueError, match="at most 1"):
        Wishes(objects=(Wish(class_id=3), Wish(class_id=3)), most_of={3: 1})

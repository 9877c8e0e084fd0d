"""The bank of backgrounds: what it lends, what it leaves out, and that it is a part of the state."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.layouts.bank import MOST_LAYOUTS, BackgroundBank
from labelmint.types import Array

SIZE = (12, 16)
GROUND, CAR, LEFT, RIGHT, UNKNOWN = range(5)  # symbols; UNKNOWN is what is ignored
CLASS_OF = (0, 1, 2, 2, 3)
NOTHING = 4


def bank() -> BackgroundBank:
    return BackgroundBank(CLASS_OF, (1,), 3, SIZE, 4, "boxes")


def pairs(groups: list[str] | None = None) -> Pairs:
    """Six layouts with a car each, farther right from one to the next; sky of two symbols, something unlabelled."""
    maps, boxes = [], []
    for k in range(6):
        ids = np.zeros(SIZE, np.uint8)
        ids[:4, :8], ids[:4, 8:], ids[4:6] = LEFT, RIGHT, UNKNOWN
        ids[6:10, 2 * k : 2 * k + 4] = CAR
        maps.append(ids)
        boxes.append(np.array([[CAR, 2 * k, 6, 2 * k + 4, 10.0]]))
    blank = [np.zeros((*SIZE, 1), np.uint8)] * 6
    return Pairs(blank, maps, Geometry(size=SIZE), 0, boxes=boxes, groups=groups)


def filled(groups: list[str] | None = None) -> BackgroundBank:
    found = bank()
    found.fill(pairs(groups))
    return found


def car(left: float) -> Array:
    return np.array([[CAR, left, 6, left + 4, 10.0]])


def test_the_nearest_boxes_are_found_and_the_own_layout_is_left_out_with_its_group() -> None:
    found = filled()
    assert found.places(car(4), 3, (0, 0)).tolist() == [2, 1, 3]
    assert found.places(car(4), 3, (0, 0), item=2).tolist()[:2] == [1, 3]
    assert 2 not in found.places(car(4), 5, (0, 0), item=2)
    grouped = filled(["a", "a", "a", "b", "b", "b"])
    assert sorted(grouped.places(car(4), 3, (0, 0), item=0).tolist()) == [3, 4, 5]


def test_what_it_will_take_is_known_before_it_is_filled() -> None:
    for similarity, objects in (("boxes", False), ("map", True)):
        found = BackgroundBank(CLASS_OF, (1,), 3, SIZE, 4, similarity, objects)  # type: ignore[arg-type]
        expected = found.filled_bytes(6, 1)
        found.fill(pairs())
        assert found.nbytes < expected
        found.places(car(4), 3, (0, 0))
        assert 0.98 * expected < found.nbytes <= expected
    assert (
        bank().filled_bytes(10**6, 9) < bank().filled_bytes(MOST_LAYOUTS, 1) + 8 * 10**6
    )  # more are left out


def test_a_query_without_boxes_has_layouts_by_its_seed() -> None:
    found, nothing = filled(), np.zeros((0, 5))
    drawn = [found.places(nothing, 3, (0, index)).tolist() for index in range(20)]
    assert drawn == [found.places(nothing, 3, (0, index)).tolist() for index in range(20)]
    assert len({tuple(one) for one in drawn}) > 10
    assert all(len(set(one)) == 3 for one in drawn)
    assert {place for one in drawn for place in one} == set(range(6))


def test_backgrounds_are_lent_without_objects_and_what_is_unlabelled() -> None:
    (lent,) = filled().lend([car(0)], 1, [(0, 0)], [None]).numpy()
    wanted = np.zeros(SIZE, np.uint8)
    wanted[:4], wanted[4:6] = 2, NOTHING  # both symbols of sky are one class
    wanted[6:10, :4] = NOTHING
    assert (lent[0] == wanted).all()


def test_an_empty_bank_and_one_that_is_too_small_lend_nothing() -> None:
    assert (bank().lend([car(0)], 2, [(0, 0)], [None]) == NOTHING).all()
    lent = filled().lend([car(0)], 8, [(0, 0)], [0])
    assert [bool((one == NOTHING).all()) for one in lent[0]] == [False] * 5 + [True] * 3


def test_of_too_many_layouts_evenly_many_are_kept() -> None:
    found = bank()
    found.fill(pairs(), most=3)
    assert len(found) == 3
    assert found.places(car(8), 1, (0, 0)).tolist() == [2]  # the fifth of six


def test_it_is_a_part_of_the_state_and_copies_share_it() -> None:
    whole = nn.ModuleDict({"bank": filled()})
    state = whole.state_dict()
    again = nn.ModuleDict({"bank": bank()})
    again.load_state_dict(state)
    lent = [one["bank"].lend([car(3)], 3, [(0, 0)], [1]) for one in (whole, again, copy.deepcopy(whole))]  # type: ignore[operator]
    assert lent[0].equal(lent[1])
    assert lent[0].equal(lent[2])
    assert again.load_state_dict({}, strict=False).missing_keys == sorted(state, key=list(state).index)
    assert all(torch.equal(state[key], value) for key, value in again.state_dict().items())

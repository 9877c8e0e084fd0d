"""Laws of layouts drawn from a prior over boxes: rows by their seeds alone, and wishes that are always met."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmint.contracts import check_layout_source
from labelmint.errors import InputError
from labelmint.layouts.box_prior import BoxPrior
from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.wishes import Box, Wish, Wishes
from labelmint.priors.boxes import BoxCode, BoxTransformer, BoxTransformerConfig
from labelmint.types import LayoutBatch

RULE = BoxRule(first={1: 1, 2: 2}, grounds=(0,), ignored=3, most=5)
USUAL = {"layout_temperature": 1.0}
CLASSES = [0, 10, 20, 255]  # of each symbol


def source(spread: float = 20.0) -> BoxPrior:
    torch.manual_seed(0)
    code = BoxCode(kinds=2, rows=5, sizes=12, places=16, size=(32, 48))
    prior = (
        BoxTransformer(BoxTransformerConfig(width=16, layers=1, heads=2), code).eval().requires_grad_(False)
    )
    prior.out.weight.mul_(spread)
    prior.seen[0, 4:6, 4:7], prior.seen[1, 6:9, 6:9] = 5, 2
    return BoxPrior(prior, RULE, CLASSES, ["ground", "ring", "cell", "ignore"])


def objects(batch: LayoutBatch, row: int) -> list[tuple[int, Box]]:
    """Class ids and boxes in shares of the sides, as wishes have them."""
    assert batch.boxes is not None
    some = batch.boxes[row][batch.boxes[row][:, 0] >= 0].double().numpy()
    return [(CLASSES[int(one[0])], (one[1:] / [48, 32, 48, 32]).tolist()) for one in some]


def test_it_keeps_the_laws_of_a_layout_source() -> None:
    check_layout_source(source(), (32, 48), 4)


def test_rows_depend_on_their_own_seed_and_wishes_alone() -> None:
    made, seeds = source(), [(3, index) for index in range(4)]
    corner = Wishes(objects=(Wish(class_id=10, within=(0.0, 0.0, 0.3, 0.3)),) * 2)
    wished = made.sample(seeds, USUAL, wishes=[None, corner, None, Wishes(most_of={20: 0})])
    free = made.sample(seeds, USUAL)
    alone = made.sample([(3, 9), seeds[1], (3, 7), (3, 8)], USUAL, wishes=[None, corner, corner, corner])
    assert objects(wished, 0) == objects(free, 0) and objects(wished, 2) == objects(free, 2)
    assert objects(wished, 1) == objects(alone, 1) != objects(free, 1)
    assert torch.equal(wished.ids[0], free.ids[0])


def test_objects_come_from_the_largest_to_the_smallest_and_inside() -> None:
    drawn = source().sample([(0, index) for index in range(8)], USUAL)
    for row in range(8):
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for _, box in objects(drawn, row)]
        assert all(one >= other - 1e-6 for one, other in zip(areas, areas[1:], strict=False))
        assert all(min(box) >= -1e-6 and max(box) <= 1 + 1e-6 for _, box in objects(drawn, row))


HALVES = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0), (0.6, 0.7, 0.9, 1.0))
SIZES = ((0.0, 1.0), (0.05, 0.2), (0.3, 0.6), (0.0, 0.1))


@pytest.mark.parametrize("spread", [1.0, 40.0])
def test_wishes_are_always_met(spread: float) -> None:
    made, rng, asked = source(spread), np.random.default_rng(0), list[Wishes]()
    while len(asked) < 48:
        some = [
            Wish(class_id=int(rng.choice([10, 20])), within=HALVES[rng.integers(4)], least=least, most=most)
            for least, most in (SIZES[rng.integers(4)] for _ in range(rng.integers(0, 6)))
        ]
        room = {k: sum(wish.class_id == k for wish in some) + int(rng.integers(0, 2)) for k in (10, 20)}
        wishes = Wishes(objects=tuple(some), most_of=room if rng.random() < 0.5 else {})
        try:
            made.check(wishes)
        except InputError:
            continue
        asked.append(wishes)
    drawn = made.sample([(1, index) for index in range(len(asked))], USUAL, wishes=asked)
    for row, wishes in enumerate(asked):
        assert wishes.met_by(objects(drawn, row)), (wishes, objects(drawn, row))
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for _, box in objects(drawn, row)]
        assert all(one >= other - 1e-6 for one, other in zip(areas, areas[1:], strict=False))


def test_wishes_that_no_layout_can_meet_are_refused_in_one_line() -> None:
    made, seeds = source(), [(0, 0)]
    for wishes, said in (
        (Wishes(objects=(Wish(class_id=7),)), "no boxes of class 7 were learned; there are ring, cell"),
        (Wishes(objects=(Wish(class_id=10),) * 6), "6 objects are wished for, and a layout has at most 5"),
        (
            Wishes(objects=(Wish(class_id=20, within=(0.0, 0.0, 0.1, 0.1), least=0.5),)),
            "no cell of size 0.5 to 1",
        ),
    ):
        with pytest.raises(InputError, match=said):
            made.sample(seeds, USUAL, wishes=[wishes])

"""Objects cut out of images and put back agree with slow definitions; what is summed and told wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmint.nn.object_discriminator import ObjectDiscriminator
from labelmint.nn.objects import crop, objects_of, paste, summed, told_wrong
from labelmint.types import LayoutBatch

GONE = [-1.0] * 5
BOXES = [
    [[1, 3.3, 2.0, 13.0, 9.5], [2, 0, 0, 16, 12], GONE],
    [GONE, GONE, GONE],
    [[2, 14.2, 10.1, 15.3, 11.9], GONE, GONE],
]


def layouts() -> LayoutBatch:
    return LayoutBatch(torch.zeros(3, 12, 16, dtype=torch.uint8), boxes=torch.tensor(BOXES))


def at(values: Tensor, x: float, y: float) -> float:
    """Bilinear at (x, y), in pixels from the center of the first; beyond the outermost their values go on."""
    height, width = values.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    rows = [
        (1 - (x - left)) * float(values[k, left]) + (x - left) * float(values[k, left + 1])
        for k in (top, top + 1)
    ]
    return (1 - (y - top)) * rows[0] + (y - top) * rows[1]


def test_crops_are_bilinear_at_the_centers_of_their_pixels() -> None:
    torch.manual_seed(0)
    image, objects = torch.randn(3, 1, 12, 16), objects_of(layouts())
    assert objects.item.tolist() == [0, 0, 2]
    found = crop(image, objects, (4, 6))
    for k, (item, slot) in enumerate(zip(objects.item, objects.slot, strict=True)):
        _, x0, y0, x1, y1 = BOXES[int(item)][int(slot)]
        for i in range(4):
            for j in range(6):
                x, y = x0 + (j + 0.5) / 6 * (x1 - x0), y0 + (i + 0.5) / 4 * (y1 - y0)
                assert float(found[k, 0, i, j]) == pytest.approx(
                    at(image[item, 0], x - 0.5, y - 0.5), abs=1e-4
                )


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("every", [False, True])
def test_of_layouts_without_any_object_one_is_made_that_is_not_there(rows: int, every: bool) -> None:
    """Also where there are no rows of boxes at all, as in a part of the data that shows no object."""
    blank = LayoutBatch(torch.zeros(2, 8, 8, dtype=torch.uint8), boxes=torch.full((2, rows, 5), -1.0))
    found = objects_of(blank, every)
    assert len(found.item) == (2 * max(rows, 1) if every else 1)
    assert not found.there.any()
    assert not paste(torch.ones(len(found.item), 1, 2, 2), found, (4, 4)).any()
    assert crop(torch.rand(2, 1, 8, 8), found, (2, 2)).isfinite().all()
    assert summed(torch.ones(len(found.item), 1), found, 2).shape == (2, 1)
    assert len(told_wrong(blank)[0]) == 0
    judge = ObjectDiscriminator(1, 8, torch.eye(2), (16, 16))
    large = LayoutBatch(torch.zeros(2, 16, 16, dtype=torch.uint8), boxes=blank.boxes)
    assert judge(torch.rand(2, 1, 16, 16), large)[0][-1].shape == (2, 1, 1, 1)


def test_objects_are_put_into_the_cells_whose_centers_lie_in_their_boxes() -> None:
    torch.manual_seed(0)
    objects, size = objects_of(layouts()), (6, 8)  # cells of 2x2 pixels
    values = torch.randn(3, 1, 4, 5)
    found = paste(values, objects, size)
    for k, (item, slot) in enumerate(zip(objects.item, objects.slot, strict=True)):
        _, x0, y0, x1, y1 = (edge / 2 for edge in BOXES[int(item)][int(slot)])
        (x0, x1), (y0, y1) = (
            (a, b) if b - a >= 1 else ((a + b - 1) / 2, (a + b + 1) / 2) for a, b in ((x0, x1), (y0, y1))
        )
        for i in range(6):
            for j in range(8):
                x, y = j + 0.5, i + 0.5
                inside = x0 <= x <= x1 and y0 <= y <= y1
                there = at(values[k, 0], (x - x0) / (x1 - x0) * 5 - 0.5, (y - y0) / (y1 - y0) * 4 - 0.5)
                assert float(found[k, 0, i, j]) == pytest.approx(there if inside else 0.0, abs=1e-4)


def test_every_object_is_seen_however_small() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, [15, 11], (50, 2))
    boxes = torch.tensor(np.concatenate([np.ones((50, 1)), corners, corners + 0.3], axis=1))[:, None].float()
    some = objects_of(LayoutBatch(torch.zeros(50, 12, 16), boxes=boxes))
    assert (paste(torch.ones(50, 1, 2, 2), some, (3, 4)).sum(dim=(1, 2, 3)) >= 1).all()


def test_sums_are_of_each_layout_s_own_objects() -> None:
    for every in (False, True):
        objects = objects_of(layouts(), every)
        values = objects.symbol[:, None] * objects.there[:, None]
        assert summed(values, objects, 3)[:, 0].tolist() == [3, 0, 2]
    assert len(objects_of(layouts(), every=True).item) == 9


def test_a_batch_without_objects_has_one_that_is_not_there() -> None:
    none = LayoutBatch(torch.zeros(2, 8, 8), boxes=torch.full((2, 3, 5), -1.0))
    objects = objects_of(none)
    assert objects.there.tolist() == [0.0]
    assert not paste(torch.ones(1, 1, 2, 2), objects, (2, 2)).any()
    with pytest.raises(ValueError, match="needs layouts with boxes"):
        objects_of(LayoutBatch(none.ids))


def test_wrong_labels_are_those_of_the_next_that_shows_others() -> None:
    boxes = torch.tensor([*BOXES, BOXES[2]])
    items, others = told_wrong(LayoutBatch(torch.zeros(4, 12, 16), boxes=boxes))
    assert (items.tolist(), others.tolist()) == ([0, 1, 3], [1, 2, 0])  # 2 and 3 show the same
    assert not len(told_wrong(LayoutBatch(torch.zeros(1, 12, 16), boxes=boxes[:1]))[0])


def test_verdicts_depend_on_boxes_and_labels_and_wrong_ones_come_behind() -> None:
    torch.manual_seed(0)
    judge = ObjectDiscriminator(1, 8, torch.eye(3), (16, 16))
    boxes = torch.tensor([[[1, 2, 2, 10, 10.0], GONE], [[2, 4, 4, 12, 12.0], GONE]])
    some, image = LayoutBatch(torch.zeros(2, 16, 16), boxes=boxes), torch.randn(2, 1, 16, 16)
    wrong = told_wrong(some)
    ((*maps, verdicts),) = judge(image, some, wrong)
    assert verdicts.shape == (4, 1, 1, 1)
    assert [len(one) for one in maps] == [2] * 5
    assert verdicts[:2].equal(judge(image, some)[0][-1])
    assert verdicts[0] != verdicts[2]
    moved = boxes.clone()
    moved[0, 0, 1:] += 4
    other = judge(image, LayoutBatch(some.ids, boxes=moved))[0][-1]
    assert other[1].equal(verdicts[1])
    assert other[0] != verdicts[0]
    assert math.prod(verdicts.shape) == 4

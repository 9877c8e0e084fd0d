"""Augmentation of what a discriminator sees: image and layout move alike, and gradients pass."""

import torch

from labelmint.training.differentiable import augmented
from labelmint.types import LayoutBatch

UNKNOWN = 9


def scene(items: int = 40) -> tuple[torch.Tensor, LayoutBatch]:
    """A bright square a layout, its instance and its box."""
    ids = torch.zeros(items, 16, 24, dtype=torch.uint8)
    ids[:, 5:9, 6:12] = 1
    boxes = torch.tensor([[[1.0, 6, 5, 12, 9], [-1, -1, -1, -1, -1]]]).repeat(items, 1, 1)
    return ids[:, None].float().repeat(1, 3, 1, 1), LayoutBatch(ids, ids.int() * 7, boxes)


def test_image_layout_instances_and_boxes_move_alike_and_both_images_in_the_same_way() -> None:
    image, layouts = scene()
    (one, two), moved = augmented((image, image), layouts, UNKNOWN, 0)
    assert one.equal(two)
    assert moved.instances is not None
    assert moved.boxes is not None
    assert set(moved.ids.unique().tolist()) == {0, 1, UNKNOWN}
    assert ((moved.instances == 7) == (moved.ids == 1)).all()
    assert (one[moved.ids[:, None].expand_as(one) == UNKNOWN] == 0).all()
    shifts = set()
    for k in range(len(image)):
        inside, around = one[k, 0][moved.ids[k] == 1], one[k, 0][moved.ids[k] == 0]
        if len(inside) and len(around):
            assert inside.min() > around.max()
        rows, columns = (moved.ids[k] == 1).nonzero(as_tuple=True)
        _, x0, y0, x1, y1 = moved.boxes[k, 0].tolist()
        assert (moved.boxes[k, 1] == -1).all()
        assert len(rows) == 0 or (rows.min() >= y0 and rows.max() < y1)
        assert len(rows) == 0 or (columns.min() >= x0 and columns.max() < x1)
        shifts.add((x0 - 6, y0 - 5))
    assert len(shifts) > 15
    assert max(abs(dx) for dx, _ in shifts) == 3  # an eighth of 24
    assert max(abs(dy) for _, dy in shifts) == 2


def test_gradients_pass_but_where_nothing_is_seen() -> None:
    image, layouts = scene(4)
    image.requires_grad_()
    (shown,), _ = augmented((image,), layouts, UNKNOWN, 0)
    torch.autograd.backward(shown[:, :, :, :].square().sum())
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert (image.grad != 0).flatten(1).any(dim=1).all()


def test_what_is_not_shown_is_told_from_each_of_256_symbols() -> None:
    image, layouts = scene(4)
    layouts = LayoutBatch(layouts.ids * 255)
    _, moved = augmented((image,), layouts, 256, 0)
    assert set(moved.ids.unique().tolist()) == {0, 255, 256}


def test_it_is_a_function_of_its_seed() -> None:
    image, layouts = scene(4)
    first, again, other = (augmented((image,), layouts, UNKNOWN, seed)[0][0] for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)

"""The discriminators of images and of their objects: verdicts belong to their items, whatever else is in the batch."""

import torch
from tests.generators.test_object_pathway import BOXES, layouts

from labelmint.nn.crop_discriminator import ImageAndCrops
from labelmint.types import LayoutBatch


def discriminator() -> ImageAndCrops:
    torch.manual_seed(0)
    return ImageAndCrops(1, 8, 2, 16, 3).eval()


@torch.no_grad()
def test_verdicts_follow_the_items_and_the_images_of_each() -> None:
    judge, images = discriminator(), torch.rand(3, 2, 32, 32) * 2 - 1
    (whole,), (crops,) = judge(images, layouts())
    there = (BOXES[..., 0] >= 0).sum(dim=1)
    assert whole.shape == (6, 1) and crops.shape == (2 * int(there.sum()), 2)
    assert bool((crops[:, 1] < 0).all())
    first, of_first = int(there[0]), judge(images[:1, 1:], layouts()[:1])
    torch.testing.assert_close(of_first[0][0], whole[1:2])
    torch.testing.assert_close(of_first[1][0], crops[first : 2 * first])


@torch.no_grad()
def test_images_without_objects_are_judged_by_as_many_discriminators() -> None:
    nothing = LayoutBatch(torch.zeros(2, 32, 32), boxes=torch.full((2, 3, 5), -1.0))
    whole, crops = discriminator()(torch.rand(2, 1, 32, 32), nothing)
    assert whole[0].shape == crops[0].shape == (2, 1)
    assert not crops[0].any()


def test_every_weight_has_a_gradient_whether_images_show_objects_or_not() -> None:
    nothing = LayoutBatch(torch.zeros(3, 32, 32), boxes=torch.full((3, 3, 5), -1.0))
    for seen in (layouts(), nothing):
        judge = discriminator().train()
        whole, crops = judge(torch.rand(3, 1, 32, 32), seen)
        (whole[0].sum() + crops[0].sum()).backward()
        assert all(weight.grad is not None for weight in judge.parameters())

"""The objective of bachgan-apart: what counts, and for which items."""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.generators.apart import Redrawn
from labelmint.objectives.disentangled import DisentangledObjective, changed
from labelmint.protocols import Noise
from labelmint.types import Batch, LayoutBatch


def objective(free: float = 0.0) -> DisentangledObjective:
    return DisentangledObjective(
        Noise("normal", (3,)), absolute=1.0, perceptual=0.0, vgg="", kl=1.0, free=free, apart=2.0
    )


def found(chance: int, means: float = 0.0, objects: int = 2) -> Redrawn:
    """Black images of four items, the last of which was drawn again in grey and in white."""
    codes = [torch.full((n, 2), means) for n in (objects, 4)]
    (of_objects, of_background), zero = (
        [(mean, torch.zeros_like(mean)) for mean in codes],
        torch.zeros(1, 1, 2, 2),
    )
    outside = torch.tensor([1.0, 0, 0, 0]).view(1, 1, 2, 2)
    images = torch.zeros(4, 1, 2, 2)
    return Redrawn(
        images, of_objects, of_background, images[3:], zero + 0.5, zero + 1, outside, 1 - outside, chance
    )


def test_what_changes_on_the_other_side_is_what_counts() -> None:
    one = torch.zeros(1, 1, 2, 2)
    other, where = one.clone(), one.clone()
    other[..., 0, 0], where[..., 0] = 1, 1
    assert changed(other, one, where) == 0.5
    assert changed(other, one, 1 - where) == 0
    assert changed(other, one, 0 * where) == 0


def test_items_with_codes_of_chance_need_not_look_like_the_real_images() -> None:
    image = torch.zeros(4, 1, 2, 2)
    image[3] = 1
    batch = Batch(image, LayoutBatch(torch.zeros(4, 2, 2)))
    for chance, error in ((1, 0.0), (0, 0.25)):
        loss = objective()(lambda *given, n=chance: found(n), batch)
        assert (loss.fidelity, loss.chance) == (error, chance)
        assert loss.others == 2 * (0.5 + 1)


def test_each_code_has_free_nats_of_its_own_and_layouts_need_no_objects() -> None:
    batch = Batch(torch.zeros(4, 1, 2, 2), LayoutBatch(torch.zeros(4, 2, 2)))

    def divergence(free: float, objects: int = 2) -> Tensor:
        return objective(free)(lambda *given: found(1, means=2.0, objects=objects), batch).others - 3

    assert divergence(0) == 4 + 4  # two numbers of mean 2
    assert divergence(3) == 8
    assert divergence(5) == 10
    assert divergence(0, objects=0) == 4

"""The objective of networks that enlarge: patches of the image, and honest figures."""

import numpy as np
import pytest
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.generators.super_resolution import bicubic, low
from labelmint.objectives.restoration import RestorationObjective, patches
from labelmint.types import Batch, LayoutBatch


def numbered(count: int, height: int, width: int) -> torch.Tensor:
    """Images each pixel of which has its own number."""
    return torch.arange(count * height * width, dtype=torch.float32).reshape(count, 1, height, width)


def test_patches_are_parts_of_their_image_and_turned_ones_go_through_all_eight() -> None:
    torch.manual_seed(0)
    images, turns = numbered(64, 12, 10), set()
    for image, patch in zip(images, patches(images, 4, turned=True), strict=True):
        first = int(patch.min() - image.min())
        top, left = divmod(first, 10)
        part = image[0, top : top + 4, left : left + 4]
        eight = [m.rot90(k) for m in (part, part.flip(-1)) for k in range(4)]
        turns.add(next(k for k, one in enumerate(eight) if torch.equal(one, patch[0])))
    assert turns == set(range(8))
    assert torch.equal(patches(images, 0, turned=False), images)
    assert patches(images, 11, turned=True).shape == (64, 1, 11, 10)


def test_the_loss_is_the_error_of_what_the_network_makes_of_the_low_image() -> None:
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    batch = Batch(image, LayoutBatch(torch.zeros(2, 8, 8)))
    loss = RestorationObjective(2, turned=False)(lambda small: bicubic(small, 2), batch)
    assert float(loss.fidelity) == pytest.approx(float((bicubic(low(image, 2), 2) - image).abs().mean()))


def test_held_out_figures_of_bicubic_itself_are_those_of_bicubic() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), np.uint8)
    pairs = Pairs([*images], None, Geometry(size=(16, 16)), 0)

    class Bicubic(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return bicubic(image, 2)

    found = RestorationObjective(2).held_out(Bicubic(), pairs, torch.device("cpu"))
    assert found["held_out_psnr"] == found["bicubic_psnr"] > 0

"""A generator that only its adversary guides: orthogonal weights, and figures of sets of images."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.unguided import UnguidedObjective, orthogonality
from labelmint.protocols import Dials, Noise
from labelmint.types import LayoutBatch


def test_rows_that_are_orthogonal_cost_nothing_and_others_the_squares_of_their_products() -> None:
    layer = nn.Conv2d(1, 2, (1, 3), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0, 0.0], [-2.0, 1.0, 5.0]]).reshape(2, 1, 1, 3))
    assert orthogonality(layer).item() == 0
    with torch.no_grad():
        layer.weight[1, 0, 0, 0] = 1.0  # the product of the rows is 3
    assert orthogonality(layer).item() == pytest.approx(9.0)
    tall = nn.Linear(2, 5, bias=False)  # of whose columns there are fewer
    product = (tall.weight[:, 0] * tall.weight[:, 1]).sum()
    assert orthogonality(tall).allclose(product.square())
    assert orthogonality(nn.ModuleList([layer, nn.Embedding(3, 4)])).item() == pytest.approx(9.0)


class _Shades(nn.Module):
    """Images of one shade, that of the code times `contrast`."""

    noise, dials = Noise("normal", (1,)), ()

    def __init__(self, contrast: float) -> None:
        super().__init__()
        self.contrast = nn.Parameter(torch.full((1, 1), contrast))

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        assert noise is not None
        return (noise * self.contrast)[:, :, None, None].expand(-1, 1, *layouts.ids.shape[1:])


def test_held_out_figures_are_of_sets_of_images() -> None:
    shades = np.random.default_rng(0).normal(128, 30, 200).clip(0, 255).astype(np.uint8)
    images = [np.full((8, 8, 1), shade, np.uint8) for shade in shades]
    pairs = Pairs(images, None, Geometry(size=(8, 8)), seed=0)
    objective = UnguidedObjective(_Shades.noise)
    alike, flat = (
        objective.held_out(_Shades(contrast), pairs, torch.device("cpu")) for contrast in (30 / 127.5, 0.0)
    )
    assert alike["spread"] == pytest.approx(1, abs=0.15)
    assert flat["spread"] == 0
    assert abs(alike["held_out_distance"]) < flat["held_out_distance"] / 5
    assert objective.held_out(_Shades(1.0), pairs.take([0]), torch.device("cpu")) == {}

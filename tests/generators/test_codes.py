"""The styles that new images draw: those of the training images, kinds and their shares among them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelmint.generators.bicycle import BicycleConfig, BicycleGenerator
from labelmint.generators.codes import FittedCodes
from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.types import Batch, LayoutBatch


def two_kinds(count: int, code: int) -> tuple[Tensor, Tensor]:
    """mu and log sigma^2: one image in five lies far from the others along a skew direction."""
    torch.manual_seed(0)
    mean = 0.1 * torch.randn(count, code)
    mean[: count // 5] += 4 * torch.ones(code) / code**0.5
    return mean, torch.full((count, code), -4.0)


def fitted(count: int = 100, code: int = 6) -> FittedCodes:
    styles = FittedCodes(code)
    styles.fit([two_kinds(count, code)])
    return styles


def test_kinds_are_drawn_in_their_shares_and_nothing_between_them() -> None:
    styles = fitted()
    torch.manual_seed(1)
    along = styles(torch.randn(4000, 6)) @ torch.ones(6) / 6**0.5
    assert float((along > 2).float().mean()) == pytest.approx(0.2, abs=0.03)
    assert float(((along > 1) & (along < 3)).float().mean()) < 0.03  # a normal distribution has 0.15 of these


@pytest.mark.parametrize("count", [1, 2, 100])
def test_every_code_has_its_z(count: int) -> None:
    styles = fitted(count)
    z = torch.linspace(-5, 5, 60).view(10, 6)
    torch.testing.assert_close(styles.inverse(styles(z)), z, atol=2e-2, rtol=1e-3)
    codes = 3 * z
    torch.testing.assert_close(styles(styles.inverse(codes)), codes, atol=1e-3, rtol=1e-3)


def test_of_normal_codes_nothing_is_changed() -> None:
    styles = FittedCodes(3)
    z = torch.randn(50, 3)
    torch.testing.assert_close(styles(z), z)
    torch.manual_seed(0)
    styles.fit([(torch.zeros(1, 3), torch.zeros(1, 3))])
    found = styles(torch.randn(4000, 3))
    assert found.mean(dim=0).abs().max() < 0.1
    torch.testing.assert_close(found.T.cov(), torch.eye(3), atol=0.1, rtol=0)


def spade() -> SpadeGenerator:
    sizes = {"channels": 8, "widest": 2, "doublings": 2, "hidden": 8, "norm": "instance", "code": 4}
    return SpadeGenerator(SpadeConfig(**sizes, style_prior="fitted"), 3, 1, (16, 16))


def bicycle() -> BicycleGenerator:
    sizes = {"channels": 8, "downsamplings": 2, "encoder_channels": 8, "code": 4}
    return BicycleGenerator(BicycleConfig(**sizes, style_prior="fitted"), 3, 1, (16, 16))


@pytest.mark.parametrize("made", [spade, bicycle])
def test_new_images_have_fitted_styles_and_real_ones_their_z(
    made: Callable[[], SpadeGenerator | BicycleGenerator],
) -> None:
    torch.manual_seed(0)
    network = made().eval()
    layouts = LayoutBatch(torch.randint(0, 3, (8, 16, 16), dtype=torch.uint8))
    batch, z = Batch(torch.rand(8, 1, 16, 16), layouts), torch.randn(8, 4)
    before = network(layouts, z, {})
    network.settle([batch])
    assert not network(layouts, z, {}).equal(before)
    code = network.code_of(batch)
    assert code is not None
    drawn = network(layouts, code, {})
    assert network.encoder is not None
    network.styles = None
    own = network(layouts, network.encoder(batch.image)[0], {})
    assert isinstance(drawn, Tensor)
    torch.testing.assert_close(drawn, own, atol=1e-3, rtol=1e-3)

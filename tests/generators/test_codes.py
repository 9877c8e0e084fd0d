"""The styles that new images draw: those of the training images, kinds and their shares among them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from labelmint.generators.codes import FittedCodes
from labelmint.generators.encoded import Encoded
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


def test_a_spade_draws_fitted_styles_and_finds_those_of_images() -> None:
    torch.manual_seed(0)
    sizes = {"channels": 8, "widest": 2, "doublings": 2, "hidden": 8, "norm": "instance", "code": 4}
    network = SpadeGenerator(SpadeConfig(**sizes, style_prior="fitted"), 3, 1, (16, 16)).eval()
    layouts = LayoutBatch(torch.randint(0, 3, (8, 16, 16), dtype=torch.uint8))
    batch, z = Batch(torch.rand(8, 1, 16, 16), layouts), torch.randn(8, 4)
    before = network(layouts, z, {})
    network.settle([batch])
    assert not network(layouts, z, {}).equal(before)
    encoded = network(layouts, torch.zeros(8, 4), {}, batch.image)
    assert isinstance(encoded, Encoded)
    code = network.code_of(batch)
    assert code is not None
    torch.testing.assert_close(network(layouts, code, {}), encoded.image, atol=1e-3, rtol=1e-3)

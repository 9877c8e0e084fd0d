"""BigGAN's networks: their published sizes, truncation of the code, and classes of whole images."""

import pytest
import torch
from torch import Tensor

from labelmint.generators.biggan import BigGANConfig, BigGANGenerator
from labelmint.generators.truncation import truncated
from labelmint.nn.residual_discriminator import ResidualDiscriminator, class_of_each
from labelmint.protocols import LayoutToImage
from labelmint.types import LayoutBatch

SMALL = BigGANConfig(channels=8, widest=2, doublings=2, code_part=3, class_channels=4)


def of_class(*symbols: int) -> LayoutBatch:
    return LayoutBatch(torch.tensor(symbols, dtype=torch.uint8)[:, None, None].expand(-1, 16, 24))


def generator(classes: int = 0) -> BigGANGenerator:
    torch.manual_seed(0)
    return BigGANGenerator(SMALL, classes, 3, (16, 24)).eval()


@pytest.mark.parametrize(
    ("side", "doublings", "published", "of_the_rival"),
    [(128, 5, 70_433_988, 87_983_370), (64, 4, 70_377_348, 45_512_970)],
)
def test_both_networks_have_the_published_sizes(
    side: int, doublings: int, published: int, of_the_rival: int
) -> None:
    # Of 1,000 classes. The attention here has wider queries and keys; the rest is equal to the number.
    with torch.device("meta"):
        ours = BigGANGenerator(BigGANConfig(doublings=doublings), 1000, 3, (side, side))
        rival = ResidualDiscriminator(3, 96, doublings, symbols=1000)
    counts = [sum(p.numel() for p in network.parameters()) for network in (ours, rival)]
    assert counts == pytest.approx([published, of_the_rival], rel=1e-3)


@torch.no_grad()
def test_images_are_of_codes_alone_unless_there_are_classes() -> None:
    codes = torch.randn(3, SMALL.code)
    network = generator()
    assert isinstance(network, LayoutToImage)
    images = network(of_class(0, 1, 2), codes, {})
    assert images.shape == (3, 3, 16, 24)
    assert images.equal(network(of_class(2, 2, 0), codes, {}))
    told = generator(3)
    images, others = told(of_class(0, 1, 2), codes, {}), told(of_class(0, 1, 1), codes, {})
    assert images[:2].allclose(others[:2])
    assert not images[2].allclose(others[2])


@torch.no_grad()
def test_every_block_has_a_part_of_the_code() -> None:
    network, codes = generator(), torch.randn(2, SMALL.code)
    image = network(of_class(0, 0), codes, {})
    for first in range(0, SMALL.code, SMALL.code_part):
        other = codes.clone()
        other[:, first : first + SMALL.code_part] *= -1
        assert not network(of_class(0, 0), other, {}).allclose(image)


def test_truncation_draws_from_the_normal_distribution_between_bounds() -> None:
    torch.manual_seed(0)
    code = torch.randn(20_000)
    assert truncated(code, {"truncation": 5.0}) is code
    found = truncated(code, {"truncation": 0.5})
    assert float(found.abs().max()) <= 0.5
    assert found.argsort().equal(code.argsort())
    kept = code[code.abs() < 0.5]  # what drawing anew until it fits would leave
    levels = torch.linspace(0.05, 0.95, 10)
    assert found.quantile(levels).allclose(kept.quantile(levels), atol=0.02)
    assert truncated(torch.tensor([-40.0, 40.0]), {"truncation": 2.0}).allclose(torch.tensor([-2.0, 2.0]))


@torch.no_grad()
def test_the_discriminator_adds_what_a_class_says_of_the_image() -> None:
    torch.manual_seed(0)
    rival, image = ResidualDiscriminator(3, 8, 2, symbols=2).eval(), torch.rand(2, 3, 16, 24) * 2 - 1

    def verdict(layouts: LayoutBatch) -> Tensor:
        ((found,),) = rival(image, layouts)
        return found

    assert verdict(of_class(0, 1)).shape == (2, 1)
    assert not verdict(of_class(0, 1)).allclose(verdict(of_class(1, 1)))
    cut = LayoutBatch(of_class(0, 1).ids.clone())
    cut.ids[:, :5] = 2  # the symbol of what augmentation cuts out
    assert class_of_each(cut).tolist() == [0, 1]
    assert verdict(cut).equal(verdict(of_class(0, 1)))
    with pytest.raises(ValueError, match="needs the layouts"):
        rival(image)
    assert ResidualDiscriminator(1, 8, 2)(image[:, :1])[0][0].shape == (2, 1)

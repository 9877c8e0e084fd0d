"""BicycleGAN's generator: its code reaches every layer that halves, and its encoder finds colors."""

import torch
from torch import Tensor, nn

from labelmint.generators.bicycle import BicycleConfig, BicycleGenerator, Cycles
from labelmint.generators.encoded import ResidualEncoder
from labelmint.generators.network import Encodes
from labelmint.nn.pooled import PooledBlock
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import Batch, LayoutBatch

SMALL = BicycleConfig(channels=8, downsamplings=3, code=2, encoder_channels=8, layout_channels=4)


def generator() -> BicycleGenerator:
    """One whose weights stand apart: published ones begin close to 0."""
    torch.manual_seed(0)
    made = BicycleGenerator(SMALL, 5, 1, (16, 24))
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(torch.randn_like(weights), alpha=0.1)
    return made.eval()


def pairs() -> Batch:
    torch.manual_seed(1)
    return Batch(
        torch.rand(2, 1, 16, 24) * 2 - 1, LayoutBatch(torch.randint(5, (2, 16, 24), dtype=torch.uint8))
    )


@torch.no_grad()
def test_the_code_is_given_to_every_layer_that_halves() -> None:
    for heeding in range(SMALL.downsamplings):
        network = generator()
        for k, layer in enumerate(network.down):
            if k != heeding:
                layer[-2 if k == 1 else -1].weight[:, -SMALL.code :] = 0  # type: ignore[index]
        layouts = pairs().layouts
        one, other = (network(layouts, torch.full((2, SMALL.code), z), {}) for z in (-1.0, 1.0))
        assert isinstance(one, Tensor)
        assert not one.allclose(other, atol=1e-3), heeding


@torch.no_grad()
def test_both_cycles_make_the_images_that_their_codes_make() -> None:
    network, batch = generator(), pairs()
    assert isinstance(network, LayoutToImage)
    assert isinstance(network, Encodes)
    noise, drawn = torch.randn(2, 2, 2)
    found = network(batch.layouts, noise, {}, batch.image, drawn)
    assert isinstance(found, Cycles)
    code = found.mean + (found.log_variance / 2).exp() * noise
    for image, its in zip(found.image.split(1, dim=1), (code, drawn), strict=True):
        assert image.allclose(network(batch.layouts, its, {}), atol=1e-5)
    assert network.code_of(batch).allclose(found.mean)
    assert network.code_of(Batch(found.image[:, 1:], batch.layouts)).allclose(found.again, atol=1e-5)


@torch.no_grad()
def test_the_encoder_tells_brighter_images_from_darker_ones() -> None:
    torch.manual_seed(0)
    encoder, image = ResidualEncoder(1, 8, 2, (32, 32)), torch.rand(1, 1, 32, 32) - 0.5
    bright, dark = encoder(image + 0.5)[0], encoder(image - 0.5)[0]
    assert (bright - dark).abs().max() > 1e-2


def test_the_published_sizes_at_an_eighth_of_their_width() -> None:
    assert (BicycleConfig().channels, BicycleConfig().encoder_channels, BicycleConfig().downsamplings) == (
        64,
        64,
        8,
    )
    network = BicycleGenerator(BicycleConfig(channels=8, encoder_channels=8), 35, 3, (256, 256))
    assert network.noise == Noise("normal", (8,))
    kernels = [next(layer for layer in down if isinstance(layer, nn.Conv2d)) for down in network.down]  # type: ignore[union-attr]
    assert [one.out_channels * 8 for one in kernels] == [64, 128, 256, *[512] * 5]
    assert [(one.in_channels - 8) * 8 for one in kernels[1:]] == [64, 128, 256, *[512] * 4]
    blocks = [layer for layer in network.encoder.features if isinstance(layer, PooledBlock)]
    assert [block.beside.out_channels * 8 for block in blocks] == [128, 192, 256, 256]

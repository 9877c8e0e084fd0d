"""RDN and SRCNN against their equations written plainly, and how far they see."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.super_resolution import RDN, SRCNN, RDNConfig, SRCNNConfig, bicubic, low

SMALL = {"blocks": 2, "convolutions": 2, "growth": 3, "channels": 4}


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def shuffled(x: Tensor, r: int) -> Tensor:
    """Pixel shuffle pixel by pixel: y[c, r i + a, r j + b] = x[c r^2 + r a + b, i, j]."""
    channels, height, width = x.shape[1] // r**2, x.shape[2], x.shape[3]
    y = torch.empty(len(x), channels, r * height, r * width)
    for c in range(channels):
        for a in range(r):
            for b in range(r):
                y[:, c, a::r, b::r] = x[:, c * r * r + r * a + b]
    return y


@pytest.mark.parametrize("factor", [2, 3, 4])
@torch.no_grad()
def test_rdn_is_its_equations(factor: int) -> None:
    torch.manual_seed(1)
    net, x = RDN(RDNConfig(**SMALL, factor=factor), 3), image(2, 3, 5, 7)
    first = net.shallow[0](x)
    before, blocks = net.shallow[1](first), []
    for block in net.blocks:
        seen = before
        for layer in block.layers:
            seen = torch.cat([seen, layer(seen).clamp(min=0)], dim=1)
        before = before + block.fusion(seen)
        blocks.append(before)
    y = first + net.fusion[1](net.fusion[0](torch.cat(blocks, dim=1)))
    for layer in net.enlarge:
        y = shuffled(y, layer.upscale_factor) if isinstance(layer, nn.PixelShuffle) else layer(y)
    made = net(x)
    assert made.shape == (2, 3, 5 * factor, 7 * factor)
    torch.testing.assert_close(made, net.to_image(y), rtol=0, atol=1e-6)


@torch.no_grad()
def test_srcnn_is_three_layers_on_the_bicubic_enlargement() -> None:
    net, x = SRCNN(SRCNNConfig(channels=6), 1), image(1, 1, 6, 5)
    one, two, three = (layer for layer in net.layers if isinstance(layer, nn.Conv2d))
    assert [layer.kernel_size[0] for layer in (one, two, three)] == [9, 1, 5]
    torch.testing.assert_close(net(x), three(two(one(bicubic(x, 2)).clamp(min=0)).clamp(min=0)))


@pytest.mark.parametrize(
    "net", [RDN(RDNConfig(**SMALL, skip=True), 3), SRCNN(SRCNNConfig(channels=4, skip=True), 3)]
)
@torch.no_grad()
def test_with_skip_a_network_begins_as_bicubic(net: nn.Module) -> None:
    x = image(1, 3, 6, 6)
    assert torch.equal(net(x), bicubic(x, 2))


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", ["rdn", "srcnn"])
def test_the_reach_is_how_far_a_pixel_is_seen(factor: int, skip: bool, kind: str) -> None:
    net: RDN | SRCNN
    if kind == "rdn":
        net = RDN(RDNConfig(blocks=1, convolutions=1, growth=2, channels=2, factor=factor, skip=skip), 1)
    else:
        net = SRCNN(SRCNNConfig(channels=2, middle=3, factor=factor, skip=skip), 1)
    for weights in net.parameters():
        nn.init.constant_(weights, 0.1)  # so that nothing cancels out
    side = 2 * net.reach + 5
    x = image(1, 1, side, side).requires_grad_()
    middle = factor * (side // 2)
    made = net(x)[..., middle : middle + factor, middle : middle + factor].sum()
    (seen,) = torch.autograd.grad(made, x)
    rows = torch.nonzero(seen[0, 0].abs().sum(dim=1)).flatten() - side // 2
    far = int(rows.abs().max())
    assert net.reach - 2 <= far <= net.reach


def test_low_is_pillow_s_bicubic_reduction_to_levels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 24, 36, 3), np.uint8)
    reduced = EIGHT_BITS.from_unit(low(EIGHT_BITS.to_unit(pixels), 3))[0]
    expected = np.asarray(Image.fromarray(pixels[0]).resize((12, 8), Image.Resampling.BICUBIC))
    assert np.abs(reduced.astype(int) - expected).max() <= 1


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="must be odd"):
        SRCNNConfig(middle=2)

"""pix2pix's U-Net keeps the laws of a network of images: its masks are its noise, and its rows stand alone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.generators.network import draw_noise
from labelmint.generators.unet import UNetConfig, UNetGenerator, dropout_mask
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import LayoutBatch

SMALL = UNetConfig(channels=8, downsamplings=4, layout_channels=4)


def generator(symbols: int = 5, channels: int = 3, **changes: object) -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(SMALL.model_copy(update=changes), symbols, channels, (16, 32))


def inputs(network: UNetGenerator, items: int = 2) -> tuple[LayoutBatch, Tensor | None]:
    torch.manual_seed(1)
    layouts = LayoutBatch(torch.randint(5, (items, 16, 32), dtype=torch.uint8))
    return layouts, draw_noise(network.noise, items, torch.device("cpu"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("output", ["tanh", "linear"])
def test_images_have_their_shape_and_range(channels: int, output: str) -> None:
    network = generator(channels=channels, output=output).eval()
    assert isinstance(network, LayoutToImage)
    image = network(*inputs(network), {})
    assert image.shape == (2, channels, 16, 32)
    assert image.abs().max() <= 1


def test_the_published_sizes_at_an_eighth_of_their_width() -> None:
    assert (UNetConfig().channels, UNetConfig().downsamplings, UNetConfig().dropout) == (64, 8, 0.5)
    network = UNetGenerator(UNetConfig(channels=8), 35, 3, (256, 256))
    assert network.noise == Noise("uniform", (43_008 // 8,))
    widths = [(up[1].weight.shape[0] * 8, up[1].weight.shape[1] * 8) for up in network.up]
    inner = [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64)]
    assert widths == [*inner, (128, 3 * 8)]


def test_masks_are_the_only_noise_and_rows_stand_alone_to_the_bit() -> None:
    for network in (generator(), generator().eval()):  # dropout is on in drawing, norms are within the item
        layouts, noise = inputs(network, 3)
        assert noise is not None
        with torch.no_grad():
            image = network(layouts, noise, {})
            assert network(layouts, noise, {}).equal(image)
            ids, numbers = layouts.ids.clone(), noise.clone()
            ids[0], numbers[1] = ids[0].flip(0), numbers[1].flip(0)
            changed = network(LayoutBatch(ids), numbers, {})
        assert changed[2].equal(image[2])
        assert (changed[:2] - image[:2]).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_without_dropout_a_layout_has_one_image() -> None:
    network = generator(dropout=0.0)
    assert network.noise is None
    layouts, noise = inputs(network)
    assert noise is None
    assert network(layouts, None, {}).equal(network(layouts, None, {}))


def test_what_it_has_no_noise_for_is_refused() -> None:
    network = generator()
    layouts, noise = inputs(network)
    assert noise is not None
    for wrong in (None, noise[:, 1:]):
        with pytest.raises(ValueError, match=r"noise of shape \(B, 1792\)"):
            network(layouts, wrong, {})


def test_masks_keep_their_share_and_the_mean() -> None:
    torch.manual_seed(0)
    uniforms = torch.rand(1 << 16)
    for share in (0.2, 0.5):
        mask = dropout_mask(uniforms, share)
        assert sorted(set(mask.tolist())) == [0, pytest.approx(1 / (1 - share))]
        assert float(mask.bool().float().mean()) == pytest.approx(1 - share, abs=0.01)
        assert float(mask.mean()) == pytest.approx(1, abs=0.02)
    assert dropout_mask(torch.tensor([0.0, 1 - 2**-24]), 0.5).tolist() == [0, 2]
    assert dropout_mask(uniforms, 0.0).eq(1).all()


def test_each_number_masks_one_value_of_the_three_deepest_layers() -> None:
    network, found = generator().eval(), []
    layouts, noise = inputs(network, 1)
    assert noise is not None
    for up in network.up:
        up.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    with torch.no_grad():
        network(layouts, noise, {})
    masked = [found[i + 1][:, : up[1].weight.shape[1]] for i, up in enumerate(network.up[:3])]
    assert torch.cat([one.flatten(1) for one in masked], dim=1).ne(0).equal(noise >= 0.5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("side", [16, 32])  # a deepest map of one pixel, and of four
def test_every_weight_has_a_finite_gradient_and_learns(dropout: float, side: int) -> None:
    torch.manual_seed(0)
    network = UNetGenerator(SMALL.model_copy(update={"dropout": dropout}), 5, 1, (side, side))
    layouts = LayoutBatch(torch.randint(5, (4, side, side)))
    network(layouts, draw_noise(network.noise, 4, torch.device("cpu")), {}).sub(
        0.3
    ).square().mean().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.isfinite().all(), name
        assert weights.grad.abs().max() > 0, name


def test_an_image_alike_everywhere_has_finite_gradients() -> None:
    network = generator()
    _, noise = inputs(network)
    network(LayoutBatch(torch.zeros(2, 16, 32, dtype=torch.uint8)), noise, {}).sum().backward()
    assert all(w.grad is not None and w.grad.isfinite().all() for w in network.parameters())


def test_weights_saved_and_loaded_draw_the_same() -> None:
    network = generator().eval()
    other = copy.deepcopy(network)
    for weights in other.parameters():
        nn.init.normal_(weights)
    other.load_state_dict(network.state_dict())
    given = inputs(network)
    assert other(*given, {}).equal(network(*given, {}))


def test_an_embedding_before_a_convolution_is_a_convolution_of_the_one_hot() -> None:
    network = generator()
    layouts, _ = inputs(network)
    first = network.down[0][0]
    kernels = torch.einsum("ocyx,sc->osyx", first.weight, network.embed.embed.weight)
    one_hot = nn.functional.one_hot(layouts.ids.long(), 5).permute(0, 3, 1, 2).float()
    wanted = nn.functional.conv2d(one_hot, kernels, first.bias, stride=2, padding=1)
    assert first(network.embed(layouts)).allclose(wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "mend"), [((16, 24), "downsamplings=3 or fewer"), ((16, 18), "multiples of 4")]
)
def test_sizes_that_cannot_be_halved_so_often_are_refused(size: tuple[int, int], mend: str) -> None:
    with pytest.raises(InputError, match=mend):
        UNetGenerator(SMALL, 5, 3, size)

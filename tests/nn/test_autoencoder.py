"""Encoder, decoder and discriminator of the VQGAN class: shapes, an item alone, what a patch sees."""

import pytest
import torch

from labelmint.nn.autoencoder import Decoder, Encoder, ResidualBlock
from labelmint.nn.patch import PatchDiscriminator


@pytest.mark.parametrize(("widths", "shrink"), [((8, 16), 2), ((8, 8, 16), 4), ((16, 8, 8, 24), 8)])
def test_each_level_but_the_last_halves_and_the_decoder_doubles_back(
    widths: tuple[int, ...], shrink: int
) -> None:
    attention = [False] * (len(widths) - 1) + [True]
    encoded = Encoder(3, 5, widths, attention, blocks=1)(torch.randn(2, 3, 16, 24))
    assert encoded.shape == (2, 5, 16 // shrink, 24 // shrink)
    assert Decoder(5, 4, widths, attention, blocks=1)(encoded).shape == (2, 4, 16, 24)


@pytest.mark.parametrize("patch", [2, 4])
def test_patches_stand_in_for_as_many_halvings(patch: int) -> None:
    encoded = Encoder(3, 5, (8, 16), [False, False], 1, patch)(torch.randn(2, 3, 16, 24))
    assert encoded.shape == (2, 5, 16 // (2 * patch), 24 // (2 * patch))
    decoder = Decoder(5, 4, (8, 16), [False, False], 1, patch)
    assert decoder(encoded).shape == (2, 4, 16, 24)
    assert decoder.last_layer.shape == (4, 8, 3, 3)


def test_attention_stands_after_each_block_of_the_levels_told_and_in_the_middle() -> None:
    def attentions(attention: list[bool]) -> int:
        made = Encoder(1, 4, (8, 8, 8), attention, blocks=2)
        return sum(type(module).__name__ == "SelfAttention" for module in made.modules())

    assert [attentions(levels) for levels in ([False] * 3, [False, False, True], [True] * 3)] == [1, 3, 7]


def test_an_item_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 3, 32, 32)
    encoder, discriminator = Encoder(3, 4, (8, 16), [False, True], 1), PatchDiscriminator(3, 8, 2)
    for network in (encoder, lambda image: discriminator(image)[0][-1]):
        assert network(x)[:1].allclose(network(x[:1]), atol=1e-5)


def test_every_weight_of_a_block_learns() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(8, 16)
    block(torch.randn(2, 8, 4, 4)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_verdict_sees_a_patch_of_the_promised_width(layers: int, patch: int) -> None:
    torch.manual_seed(0)
    discriminator, side = PatchDiscriminator(1, 8, layers), 2 * patch + (-2 * patch) % 2**layers
    convolutions = torch.nn.Sequential(
        *(m for m in discriminator.layers if not isinstance(m, torch.nn.GroupNorm))
    )
    image = torch.randn(1, 1, side, side, requires_grad=True)
    verdicts = convolutions(image)  # normalization sees the whole item
    (gradient,) = torch.autograd.grad(verdicts[0, 0, verdicts.shape[2] // 2, verdicts.shape[3] // 2], image)
    rows = gradient[0, 0].abs().sum(1).nonzero()
    assert int(rows[-1] - rows[0]) + 1 == patch


def test_the_smallest_image_of_the_discriminator_gives_one_verdict() -> None:
    assert PatchDiscriminator(1, 8, 2)(torch.randn(1, 1, 12, 12))[0][-1].shape == (1, 1, 1, 1)

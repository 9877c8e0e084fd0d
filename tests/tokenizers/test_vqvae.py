"""The VQ-VAE of one path: the laws of a tokenizer, and what the layout does where encoder and decoder see it."""

import pytest
import torch

from labelmint.contracts import check_tokenizer
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.types import Batch, LayoutBatch

SYMBOLS = 3


def config(downsamplings: int = 2, codebook: str = "ema", attention_below: int = 17) -> DualPathConfig:
    sizes = {
        "channels": 16,
        "residual_channels": 8,
        "codebook_size": 16,
        "code_dim": 8,
        "downsamplings": downsamplings,
    }
    return DualPathConfig.model_validate({**sizes, "codebook": codebook, "attention_below": attention_below})


def batch_of(count: int, channels: int, size: tuple[int, int]) -> Batch:
    torch.manual_seed(1)
    ids = torch.randint(SYMBOLS, (count, *size), dtype=torch.uint8)
    return Batch(torch.rand(count, channels, *size) * 2 - 1, LayoutBatch(ids))


def tokenizer(
    symbols: int,
    downsamplings: int = 2,
    size: tuple[int, int] = (16, 24),
    channels: int = 1,
    codebook: str = "ema",
) -> VQVAE:
    torch.manual_seed(0)
    made = VQVAE(config(downsamplings, codebook), channels, size, symbols=symbols)
    batch = batch_of(4, channels, size)
    made(batch.image, batch.layouts)  # the first batch lends the codebook its entries
    return made.eval()


@pytest.mark.parametrize("symbols", [0, SYMBOLS])
@pytest.mark.parametrize(
    ("downsamplings", "size", "channels"), [(1, (8, 8), 1), (2, (16, 24), 3), (3, (64, 64), 1)]
)
def test_it_keeps_the_laws_of_a_tokenizer(
    symbols: int, downsamplings: int, size: tuple[int, int], channels: int
) -> None:
    made = tokenizer(symbols, downsamplings, size, channels)
    assert made.streams[0].grid == tuple(side >> downsamplings for side in size)
    check_tokenizer(made, batch_of(3, channels, size))


@pytest.mark.parametrize("symbols", [0, SYMBOLS])
@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_every_trained_parameter_gets_a_finite_gradient(symbols: int, codebook: str) -> None:
    made, batch = tokenizer(symbols, codebook=codebook).train(), batch_of(4, 1, (16, 24))
    reconstruction, quantized, *_ = made(batch.image, batch.layouts)
    (reconstruction.square().mean() + sum(q.commitment + q.codebook for q in quantized)).backward()
    for name, parameter in made.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_decoding_tokens_is_what_the_forward_pass_reconstructs() -> None:
    made, batch = tokenizer(SYMBOLS), batch_of(2, 1, (16, 24))
    decoded = made.decode(made.encode(batch), batch.layouts)
    assert decoded.allclose(made(batch.image, batch.layouts)[0], atol=1e-5)


def test_encoder_and_decoder_both_see_the_layout_where_they_are_made_for_it() -> None:
    batch = batch_of(2, 1, (16, 24))
    other = LayoutBatch((batch.layouts.ids + 1) % SYMBOLS)
    made = tokenizer(SYMBOLS)
    tokens = made.encode(batch)
    assert not made.encoder(batch.image, other).allclose(made.encoder(batch.image, batch.layouts))
    assert not made.decode(tokens, other).allclose(made.decode(tokens, batch.layouts))
    blind = tokenizer(0)
    assert blind.encode(batch)["image"].equal(blind.encode(Batch(batch.image, other))["image"])


def test_a_decoder_made_for_layouts_asks_for_them() -> None:
    made = tokenizer(SYMBOLS)
    with pytest.raises(ValueError, match="needs them"):
        made.decode(made.encode(batch_of(2, 1, (16, 24))))


def test_attention_can_be_left_out() -> None:
    def attentions(attention: bool) -> int:
        made = VQVAE(config(3, attention_below=33), 1, (64, 64), attention=attention)
        return sum(type(module).__name__ == "SelfAttention" for module in made.modules())

    assert [attentions(True), attentions(False)] == [5, 0]

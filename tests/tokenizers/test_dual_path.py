"""The double-path VQ-VAE: the laws of a tokenizer, and that both paths matter."""

import pytest
import torch

from labelmint.contracts import check_tokenizer
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathVQVAE
from labelmint.types import Batch, LayoutBatch


def tokenizer(
    downsamplings: int = 2, size: tuple[int, int] = (16, 24), channels: int = 1, codebook: str = "ema"
) -> DualPathVQVAE:
    torch.manual_seed(0)
    config = DualPathConfig.model_validate(
        {
            "channels": 16,
            "residual_channels": 8,
            "codebook_size": 16,
            "code_dim": 8,
            "downsamplings": downsamplings,
            "codebook": codebook,
        }
    )
    made = DualPathVQVAE(config, channels, size)
    made(torch.rand(4, channels, *size) * 2 - 1)  # the first batch lends the codebook its entries
    return made.eval()


@pytest.mark.parametrize(
    ("downsamplings", "size", "channels"), [(1, (8, 8), 1), (2, (16, 24), 3), (3, (64, 64), 1)]
)
def test_it_keeps_the_laws_of_a_tokenizer(downsamplings: int, size: tuple[int, int], channels: int) -> None:
    made = tokenizer(downsamplings, size, channels)
    height, width = (side >> downsamplings for side in size)
    assert made.streams[0].grid == (2 * height, width)
    batch = Batch(
        torch.rand(3, channels, *size) * 2 - 1, LayoutBatch(torch.zeros(3, *size, dtype=torch.uint8))
    )
    check_tokenizer(made, batch)


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_every_trained_parameter_gets_a_finite_gradient(codebook: str) -> None:
    made = tokenizer(codebook=codebook).train()
    reconstruction, quantized, *_ = made(torch.rand(4, 1, 16, 24) * 2 - 1)
    (reconstruction.square().mean() + sum(q.commitment + q.codebook for q in quantized)).backward()
    for name, parameter in made.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_decoding_tokens_is_what_the_forward_pass_reconstructs_and_both_halves_count() -> None:
    made = tokenizer()
    image = torch.rand(2, 1, 16, 24) * 2 - 1
    tokens = made.encode(Batch(image, LayoutBatch(torch.zeros(2, 16, 24))))["image"]
    decoded = made.decode({"image": tokens})
    assert decoded.allclose(made(image)[0], atol=1e-5)
    for rows in (slice(0, 4), slice(4, 8)):
        changed = tokens.clone()
        changed[:, rows] = (changed[:, rows] + 1) % 16
        assert not made.decode({"image": changed}).allclose(decoded, atol=1e-4)


def test_attention_acts_on_narrow_maps_only() -> None:
    def attentions(below: int) -> int:
        made = DualPathVQVAE(DualPathConfig(channels=16, downsamplings=3, attention_below=below), 1, (64, 64))
        return sum(type(module).__name__ == "SelfAttention" for module in made.modules())

    assert [attentions(below) for below in (0, 9, 17, 33)] == [0, 2, 4, 5]

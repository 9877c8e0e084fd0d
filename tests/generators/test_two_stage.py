"""The two-stage generator keeps the laws of an image generator, and refuses parts that do not fit."""

import pytest
import torch

from labelmint.contracts import check_generator
from labelmint.generators.two_stage import TwoStage
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathVQVAE
from labelmint.types import LayoutBatch


def parts() -> tuple[DualPathVQVAE, PixelSNAIL]:
    torch.manual_seed(0)
    tokenizer = DualPathVQVAE(DualPathConfig(channels=16, codebook_size=8, code_dim=4), 3, (16, 16))
    tokenizer(torch.rand(4, 3, 16, 16) * 2 - 1)
    config = PixelSNAILConfig(
        channels=8, residual_channels=8, blocks=1, residual_blocks=1, attention_channels=4, attention_heads=1
    )
    return tokenizer.eval(), PixelSNAIL(config, 8, (8, 4), stack=2, symbols=3).eval()


def test_it_keeps_the_laws_of_a_generator() -> None:
    tokenizer, prior = parts()
    check_generator(TwoStage(prior, tokenizer), LayoutBatch(torch.randint(3, (3, 16, 16))), image_channels=3)


def test_a_prior_over_other_tokens_is_refused() -> None:
    tokenizer, _ = parts()
    other = PixelSNAIL(PixelSNAILConfig(), 8, (4, 4), stack=2, symbols=3)
    with pytest.raises(ValueError, match="the tokenizer has"):
        TwoStage(other, tokenizer)

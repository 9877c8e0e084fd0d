"""MSGNet and pre-MSGNet: PixelSNAIL over the double-path VQ-VAE's tokens, with and without LayoutPixelSNAIL.

References:
    Multi-Object Semantic Generation Network (MSGNet), long and short paper: Sections 3, Tables 2 to 6.
"""

from __future__ import annotations

from labelmint.errors import InputError
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.systems.config import Settings
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.tokenizers.label_map import LabelMap

__all__ = ["msgnet", "pre_msgnet"]


def pre_msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are given and condition the image prior as they are."""
    tokenizer, prior = _images(settings, facts)
    return TwoStageParts(tokenizer, prior, LabelMap(facts.symbols, facts.size, facts.size))


def msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are drawn by LayoutPixelSNAIL, on a grid of `layout_prior.scale` cells a token."""
    tokenizer, prior = _images(settings, facts)
    cell = max((1 << settings.tokenizer.downsamplings) // settings.layout_prior.scale, 1)
    grid = (facts.size[0] // cell, facts.size[1] // cell)
    layout_prior = PixelSNAIL(settings.layout_prior, facts.symbols, grid)
    return TwoStageParts(tokenizer, prior, LabelMap(facts.symbols, grid, facts.size), layout_prior)


def _images(settings: Settings, facts: Facts) -> tuple[DualPathVQVAE, PixelSNAIL]:
    check_size(settings, facts.size)
    tokenizer = DualPathVQVAE(settings.tokenizer, facts.image_channels, facts.size)
    (stream,) = tokenizer.streams
    return tokenizer, PixelSNAIL(settings.prior, stream.codebook_size, stream.grid, stack=2, symbols=facts.symbols)


def check_size(settings: Settings, size: tuple[int, int]) -> None:
    """Raise InputError, naming the nearest size that fits, when the token grid does not divide the size."""
    token = 1 << settings.tokenizer.downsamplings
    for name, scale in (
        ("prior.condition_scale", settings.prior.condition_scale),
        ("layout_prior.scale", settings.layout_prior.scale),
    ):
        if token % scale:
            fitting = ", ".join(str(1 << k) for k in range(settings.tokenizer.downsamplings + 1))
            raise InputError(f"{name}={scale}: must divide the {token} pixels of a token's side; take one of {fitting}")
    if any(side < token or side % token for side in size):
        fits = "x".join(str(max(round(side / token), 1) * token) for side in size)
        raise InputError(
            f"--size {size[0]}x{size[1]}: the token grid needs multiples of {token} pixels; the nearest size that fits is {fits}"
        )

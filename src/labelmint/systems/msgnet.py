"""MSGNet's family: PixelSNAIL over a VQ-VAE's tokens, given a layout.

    msgnet           double-path VQ-VAE; layouts are drawn by LayoutPixelSNAIL
    pre-msgnet       double-path VQ-VAE; layouts are given
    no-comp-msgnet   one path, one codebook; layouts are given
    cvq-vae          one path whose encoder and decoder both see the layout; layouts are given

References:
    Multi-Object Semantic Generation Network (MSGNet), long and short paper: Sections 3 and 4, Tables 2 to 6.
"""

from __future__ import annotations

from typing import cast

from torch import nn

from labelmint.errors import InputError
from labelmint.systems.config import LayoutPriorSection, Settings, TokenizerSection
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.systems.wiring import check_multiples, prior_of
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.vqvae import VQVAE

__all__ = ["check_size", "cvq_vae", "msgnet", "no_comp_msgnet", "pre_msgnet"]


def msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are drawn by LayoutPixelSNAIL, on a grid of `layout_prior.scale` cells a token."""
    given = pre_msgnet(settings, facts)
    cell = max((1 << settings.tokenizer.downsamplings) // _scale(settings), 1)
    grid = (facts.size[0] // cell, facts.size[1] // cell)
    layout_prior = prior_of(settings.layout_prior, facts.symbols, grid)
    return TwoStageParts(
        given.tokenizer, given.prior, LabelMap(facts.symbols, grid, facts.size), layout_prior
    )


def pre_msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are given and condition the image prior as they are."""
    check_size(settings, facts.size)
    tokenizer = DualPathVQVAE(_sizes(settings), facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, stack=2)


def no_comp_msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """pre-MSGNet without the second path and its codebook: half the tokens."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(_sizes(settings), facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, stack=1)


def cvq_vae(settings: Settings, facts: Facts) -> TwoStageParts:
    """The plain VQ-VAE, encoder and decoder given the layout, and the prior given it too."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(
        _sizes(settings), facts.image_channels, facts.size, symbols=facts.symbols, attention=False
    )
    return _given_layouts(tokenizer, settings, facts, stack=1)


def _given_layouts(tokenizer: nn.Module, settings: Settings, facts: Facts, stack: int) -> TwoStageParts:
    height, width = (side >> settings.tokenizer.downsamplings for side in facts.size)
    grid = (stack * height, width)
    prior = prior_of(
        settings.prior, settings.tokenizer.codebook_size, grid, stack=stack, symbols=facts.symbols
    )
    return TwoStageParts(tokenizer, prior, LabelMap(facts.symbols, facts.size, facts.size))


def check_size(settings: Settings, size: tuple[int, int]) -> None:
    """Raise InputError, naming the nearest size that fits, when the token grid does not divide the size."""
    token = 1 << settings.tokenizer.downsamplings
    for name, scale in (
        ("prior.condition_scale", settings.prior.condition_scale),
        ("layout_prior.scale", _scale(settings)),
    ):
        if token % scale:
            fitting = ", ".join(str(1 << k) for k in range(settings.tokenizer.downsamplings + 1))
            raise InputError(
                f"{name}={scale}: must divide the {token} pixels of a token's side; take one of {fitting}"
            )
    check_multiples(size, token)


def _sizes(settings: Settings) -> TokenizerSection:
    return cast(TokenizerSection, settings.tokenizer)  # as the presets of this family have it


def _scale(settings: Settings) -> int:
    """Cells of the layout grid a token, along each side; a transformer's are its tokens."""
    return settings.layout_prior.scale if isinstance(settings.layout_prior, LayoutPriorSection) else 1

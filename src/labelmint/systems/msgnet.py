"""MSGNet's family: PixelSNAIL over a VQ-VAE's tokens, given a layout.

    msgnet           double-path VQ-VAE; layouts are drawn by LayoutPixelSNAIL
    pre-msgnet       double-path VQ-VAE; layouts are given
    no-comp-msgnet   one path, one codebook; layouts are given
    cvq-vae          one path whose encoder and decoder both see the layout; layouts are given

References:
    Multi-Object Semantic Generation Network (MSGNet), long and short paper: Sections 3 and 4, Tables 2 to 6.
"""

from __future__ import annotations

from torch import nn

from labelmint.errors import InputError
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.systems.config import PriorSection, Settings
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.vqvae import VQVAE

__all__ = ["check_size", "cvq_vae", "msgnet", "no_comp_msgnet", "pre_msgnet"]


def msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are drawn by LayoutPixelSNAIL, on a grid of `layout_prior.scale` cells a token."""
    given = pre_msgnet(settings, facts)
    cell = max((1 << settings.tokenizer.downsamplings) // settings.layout_prior.scale, 1)
    grid = (facts.size[0] // cell, facts.size[1] // cell)
    layout_prior = _prior(settings.layout_prior, facts.symbols, grid)
    return TwoStageParts(given.tokenizer, given.prior, LabelMap(facts.symbols, grid, facts.size), layout_prior)


def pre_msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """Layouts are given and condition the image prior as they are."""
    check_size(settings, facts.size)
    tokenizer = DualPathVQVAE(settings.tokenizer, facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, stack=2)


def no_comp_msgnet(settings: Settings, facts: Facts) -> TwoStageParts:
    """pre-MSGNet without the second path and its codebook: half the tokens."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(settings.tokenizer, facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, stack=1)


def cvq_vae(settings: Settings, facts: Facts) -> TwoStageParts:
    """The plain VQ-VAE, encoder and decoder given the layout, and the prior given it too."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(settings.tokenizer, facts.image_channels, facts.size, symbols=facts.symbols, attention=False)
    return _given_layouts(tokenizer, settings, facts, stack=1)


def _given_layouts(tokenizer: nn.Module, settings: Settings, facts: Facts, stack: int) -> TwoStageParts:
    height, width = (side >> settings.tokenizer.downsamplings for side in facts.size)
    grid = (stack * height, width)
    prior = _prior(settings.prior, settings.tokenizer.codebook_size, grid, stack=stack, symbols=facts.symbols)
    return TwoStageParts(tokenizer, prior, LabelMap(facts.symbols, facts.size, facts.size))


def _prior(config: PriorSection, codebook_size: int, grid: tuple[int, int], stack: int = 1, symbols: int = 0) -> nn.Module:
    """A PixelSNAIL that draws as much at once as it is told; with one path a place holds one token."""
    if config.at_once == "row":
        return RowPixelSNAIL(config, codebook_size, grid, stack, symbols)
    if config.at_once == "place" and stack > 1:
        return PlacePixelSNAIL(config, codebook_size, grid, stack, symbols)
    return PixelSNAIL(config, codebook_size, grid, stack, symbols)


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

"""MSGNet's family: PixelSNAIL over a VQ-VAE's tokens, given a layout.

    msgnet           double-path VQ-VAE; layouts are drawn by LayoutPixelSNAIL
    pre-msgnet       double-path VQ-VAE; layouts are given
    no-comp-msgnet   one path, one codebook; layouts are given
    cvq-vae          one path whose encoder and decoder both see the layout; layouts are given

References:
    Multi-Object Semantic Generation Network (MSGNet), long and short paper: Sections 3 and 4, Tables 2 to 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from labelmint.errors import InputError
from labelmint.generators.pair_tokens import PairTokens
from labelmint.generators.two_stage import TwoStage
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.objectives.vq_model import VQObjective
from labelmint.systems import msgnet_tables as tables
from labelmint.systems.msgnet_sections import GivenSections, MSGNetSections, TokenizerSection
from labelmint.systems.sections import LayoutPriorSection
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples, learning_images, prior_of
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.training.likelihood import Likelihood
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "check_size", "reconstructing"]

_SOURCE = "MSGNet: multi-object semantic generation network (2020/2021)"


def reconstructing(section: TokenizerSection) -> Minimize:
    """The regime of the family's tokenizers: Equation 1 of the long paper. Where they see images alone, images without
    labels teach them, too.
    """
    objective = VQObjective(commitment=section.commitment, balance=section.balance)
    return Minimize(section, objective, unlabelled=section.unlabelled)


def msgnet(settings: MSGNetSections, facts: Facts) -> Wired:
    """Layouts are drawn by LayoutPixelSNAIL, on a grid of `layout_prior.scale` cells a token."""
    check_size(settings, facts.size)
    scale = _scale(settings)
    cell = max((1 << settings.tokenizer.downsamplings) // scale, 1)
    grid = (facts.size[0] // cell, facts.size[1] // cell)
    label_map = LabelMap(facts.symbols, grid, facts.size)
    tokenizer = DualPathVQVAE(settings.tokenizer, facts.image_channels, facts.size)
    given = _given_layouts(tokenizer, settings, facts, 2, label_map)
    layout_prior = prior_of(settings.layout_prior, facts.symbols, grid)
    written = PairTokens(tokenizer=tokenizer, of_layouts=label_map, given="layouts", label_map=label_map)
    stage = Stage(
        name="layout_prior",
        module=layout_prior,
        regime=Likelihood(settings.layout_prior, written.layout_tokens, sees_layouts=False),
    )
    layouts = PriorLayouts(layout_prior, label_map, settings.layout_prior.temperature)
    return replace(given, stages=(*given.stages, stage), layouts=layouts)


def pre_msgnet(settings: GivenSections, facts: Facts) -> Wired:
    """Layouts are given and condition the image prior as they are."""
    check_size(settings, facts.size)
    tokenizer = DualPathVQVAE(settings.tokenizer, facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, 2)


def no_comp_msgnet(settings: GivenSections, facts: Facts) -> Wired:
    """pre-MSGNet without the second path and its codebook: half the tokens."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(settings.tokenizer, facts.image_channels, facts.size)
    return _given_layouts(tokenizer, settings, facts, 1)


def cvq_vae(settings: GivenSections, facts: Facts) -> Wired:
    """The plain VQ-VAE, encoder and decoder given the layout, and the prior given it too."""
    check_size(settings, facts.size)
    tokenizer = VQVAE(
        settings.tokenizer, facts.image_channels, facts.size, symbols=facts.symbols, attention=False
    )
    return _given_layouts(tokenizer, settings, facts, 1)


def _given_layouts(
    tokenizer: DualPathVQVAE | VQVAE,
    settings: GivenSections,
    facts: Facts,
    stack: int,
    label_map: LabelMap | None = None,
) -> Wired:
    """Tokenizer and image prior; layouts pass through a label map, at full size unless one is given."""
    label_map = label_map or LabelMap(facts.symbols, facts.size, facts.size)
    height, width = (side >> settings.tokenizer.downsamplings for side in facts.size)
    grid = (stack * height, width)
    prior = prior_of(
        settings.prior, settings.tokenizer.codebook_size, grid, stack=stack, symbols=facts.symbols
    )
    written = PairTokens(tokenizer=tokenizer, of_layouts=label_map, given="layouts", label_map=label_map)
    cell = facts.size[0] // label_map.grid[0]
    return Wired(
        stages=(
            Stage(name="tokenizer", module=tokenizer, regime=reconstructing(settings.tokenizer)),
            Stage(
                name="prior",
                module=prior,
                regime=learning_images(settings.prior, "prior", facts, written.image_tokens),
            ),
        ),
        images=TwoStage(prior, written),
        see=written.see,
        reach=cell,
        cell=cell,
    )


def check_size(settings: GivenSections, size: tuple[int, int]) -> None:
    """Raise InputError, naming the nearest size that fits, when the token grid does not divide the size."""
    token = 1 << settings.tokenizer.downsamplings
    scales = {"prior.condition_scale": settings.prior.condition_scale, "layout_prior.scale": _scale(settings)}
    for name, scale in scales.items():
        if token % scale:
            fitting = ", ".join(str(1 << k) for k in range(settings.tokenizer.downsamplings + 1))
            raise InputError(
                f"{name}={scale}: must divide the {token} pixels of a token's side; take one of {fitting}"
            )
    check_multiples(size, token)


def _scale(settings: GivenSections) -> int:
    """Cells of the layout grid a token, along each side; a transformer's are its tokens."""
    section = settings.layout_prior if isinstance(settings, MSGNetSections) else None
    return section.scale if isinstance(section, LayoutPriorSection) else 1


def _given(presets: Mapping[str, Callable[[], MSGNetSections]]) -> dict[str, Callable[[], GivenSections]]:
    """The presets of a system whose layouts are given: those of msgnet without its layout prior."""

    def preset(table: Callable[[], MSGNetSections]) -> GivenSections:
        return table().given()

    return {name: partial(preset, table) for name, table in presets.items()}


SYSTEMS = (
    System(
        name="msgnet",
        source=_SOURCE,
        layout_source="LayoutPixelSNAIL over the label map",
        image_generator="PixelSNAIL over the double-path VQ-VAE's tokens",
        sections=MSGNetSections,
        wire=msgnet,
        presets=tables.PRESETS,
        from_pool=True,
    ),
    System(
        name="pre-msgnet",
        source=_SOURCE,
        layout_source=GIVEN,
        image_generator="PixelSNAIL over the double-path VQ-VAE's tokens",
        sections=GivenSections,
        wire=pre_msgnet,
        presets=_given(tables.PRESETS),
        from_pool=True,
    ),
    System(
        name="no-comp-msgnet",
        source=f"{_SOURCE}, its ablation of the second path",
        layout_source=GIVEN,
        image_generator="PixelSNAIL over the tokens of a VQ-VAE of one path",
        sections=GivenSections,
        wire=no_comp_msgnet,
        presets=_given(tables.PRESETS),
        from_pool=True,
    ),
    System(
        name="cvq-vae",
        source=f"{_SOURCE}, its baseline: VQ-VAE (2017) given the layout",
        layout_source=GIVEN,
        image_generator="PixelSNAIL over the tokens of a VQ-VAE whose encoder and decoder see the layout",
        sections=GivenSections,
        wire=cvq_vae,
        presets=_given(tables.PRESETS),
    ),
)

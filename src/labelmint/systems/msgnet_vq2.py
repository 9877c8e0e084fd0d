"""`msgnet-vq2`: MSGNet with the VQ-VAE-2 as its tokenizer, which the long paper proposes and has no code for.

    s ~ LayoutPixelSNAIL,    top ~ p(top | s),    bottom ~ p(bottom | top, s),    x = decode(top, bottom)

The layout is drawn as in `msgnet`; each level has a PixelSNAIL of its own, the coarse one first.

References:
    Multi-Object Semantic Generation Network (MSGNet), long paper: Section 4.4.
    Generating Diverse High-Fidelity Images with VQ-VAE-2 (Razavi et al., 2019),
    https://arxiv.org/abs/1906.00446
"""

from __future__ import annotations

from typing import Any

from labelmint.errors import InputError
from labelmint.generators.two_level import LevelTokens, TwoLevels
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.objectives.vq_model import VQObjective
from labelmint.systems.sections import LayoutPriorSection, PriorSection, Sections, SeesPool
from labelmint.systems.system import Facts, System, Wired
from labelmint.systems.wiring import TokenizerTraining, check_multiples, learning_images, prior_of
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.two_level import TwoLevelConfig, TwoLevelVQ
from labelmint.training.likelihood import Likelihood
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "TwoLevelSection", "TwoLevelSections", "msgnet_vq2"]


class TwoLevelSection(SeesPool, TwoLevelConfig, TokenizerTraining):
    """The tokenizer: sizes and training."""

    @property
    def multiple(self) -> int:
        """Pixels a side of a token of the top."""
        return 1 << (self.downsamplings + self.top_downsamplings)


class TwoLevelSections(Sections):
    """Settings of msgnet-vq2."""

    tokenizer: TwoLevelSection = TwoLevelSection()
    top_prior: PriorSection = PriorSection()
    bottom_prior: PriorSection = PriorSection()
    layout_prior: LayoutPriorSection = LayoutPriorSection()


def msgnet_vq2(settings: TwoLevelSections, facts: Facts) -> Wired:
    """Tokenizer, then the priors over both of its levels, then the layout prior."""
    _check_sizes(settings, facts)
    sizes, scale = settings.tokenizer, settings.layout_prior.scale
    cell = (1 << sizes.downsamplings) // scale
    label_map = LabelMap(facts.symbols, (facts.size[0] // cell, facts.size[1] // cell), facts.size)
    tokenizer = TwoLevelVQ(sizes, facts.image_channels, facts.size)
    top, bottom = tokenizer.streams
    priors = {
        "top_prior": prior_of(settings.top_prior, top.codebook_size, top.grid, symbols=facts.symbols),
        "bottom_prior": prior_of(
            settings.bottom_prior, bottom.codebook_size, bottom.grid, symbols=facts.symbols, coarse=top
        ),
        "layout_prior": prior_of(settings.layout_prior, facts.symbols, label_map.grid),
    }
    written = LevelTokens(tokenizer, label_map)
    learned = {
        "top_prior": learning_images(settings.top_prior, "top_prior", facts, written.top),
        "bottom_prior": learning_images(settings.bottom_prior, "bottom_prior", facts, written.bottom),
        "layout_prior": Likelihood(settings.layout_prior, written.layouts, sees_layouts=False),
    }
    objective = VQObjective(commitment=sizes.commitment, balance=sizes.balance)
    return Wired(
        stages=(
            Stage(
                name="tokenizer",
                module=tokenizer,
                regime=Minimize(sizes, objective, unlabelled=sizes.unlabelled),
            ),
            *(Stage(name=name, module=priors[name], regime=learned[name]) for name in priors),
        ),
        images=TwoLevels(priors["top_prior"], priors["bottom_prior"], tokenizer),
        layouts=PriorLayouts(priors["layout_prior"], label_map, settings.layout_prior.temperature),
        see=written.see,
        reach=cell,
        cell=cell,
    )


def _check_sizes(settings: TwoLevelSections, facts: Facts) -> None:
    """Raise InputError where cells of the layouts do not fit a token, or tokens do not fit the image."""
    sizes = settings.tokenizer
    token = 1 << sizes.downsamplings
    scales = {
        "layout_prior.scale": (settings.layout_prior.scale, token),
        "bottom_prior.condition_scale": (settings.bottom_prior.condition_scale, token),
        "top_prior.condition_scale": (settings.top_prior.condition_scale, sizes.multiple),
    }
    for name, (scale, pixels) in scales.items():
        if pixels % scale:
            raise InputError(
                f"--set {name}={scale}: must divide the {pixels} pixels of a token's side; take a power of 2"
            )
    check_multiples(facts.size, sizes.multiple)


def tiny() -> TwoLevelSections:
    """For minutes on 2 cores."""
    snail = _snail(channels=48, residual_blocks=2, attention_channels=32, steps=3000, learning_rate=2e-3)
    return TwoLevelSections(
        tokenizer=_tokenizer(codebook_size=64, steps=1000, learning_rate=2e-3),
        top_prior=PriorSection(**snail, batch_size=32, token_noise=0.1, share=0.2),
        bottom_prior=PriorSection(**snail, batch_size=32, token_noise=0.1, share=0.4),
        layout_prior=LayoutPriorSection(
            **snail, batch_size=32, scale=2, temperature=1.0, token_noise=0.0, dropout=0.0
        ),
    )


def small() -> TwoLevelSections:
    """For about an hour on 2 cores."""
    snail = _snail(channels=64, residual_blocks=3, attention_channels=64, steps=6000, learning_rate=1e-3)
    of_layouts = _snail(channels=48, residual_blocks=2, attention_channels=32, steps=4000, learning_rate=2e-3)
    return TwoLevelSections(
        tokenizer=_tokenizer(codebook_size=128, steps=6000, learning_rate=1e-3),
        top_prior=PriorSection(**snail, batch_size=16, token_noise=0.05, share=0.15),
        bottom_prior=PriorSection(**snail, batch_size=16, token_noise=0.05, share=0.3),
        layout_prior=LayoutPriorSection(
            **of_layouts, batch_size=32, scale=2, temperature=1.0, token_noise=0.0, dropout=0.0, share=0.35
        ),
    )


def _tokenizer(*, codebook_size: int, steps: int, learning_rate: float) -> TwoLevelSection:
    return TwoLevelSection(
        patch=2,
        channels=32,
        multipliers=(1, 2),
        code_dim=32,
        attention_below=0,
        codebook_size=codebook_size,
        steps=steps,
        batch_size=32,
        learning_rate=learning_rate,
        share=0.2,
    )


def _snail(
    *, channels: int, residual_blocks: int, attention_channels: int, steps: int, learning_rate: float
) -> dict[str, Any]:
    return {
        "channels": channels,
        "residual_channels": channels,
        "blocks": 2,
        "residual_blocks": residual_blocks,
        "kernel_rows": 3,
        "kernel_columns": 5,
        "attention_channels": attention_channels,
        "steps": steps,
        "learning_rate": learning_rate,
    }


SYSTEMS = (
    System(
        name="msgnet-vq2",
        source="MSGNet (2020/2021), its proposal of VQ-VAE-2 (2019) as the tokenizer",
        layout_source="LayoutPixelSNAIL over the label map",
        image_generator="PixelSNAIL over each of the VQ-VAE-2's two levels of tokens, the coarse one first",
        sections=TwoLevelSections,
        wire=msgnet_vq2,
        presets={"tiny": tiny, "small": small},
        from_pool=True,
    ),
)

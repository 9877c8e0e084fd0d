"""`mint`, labelmint's own: image and layout tokenized together, and a prior over each.

    s ~ a prior over the patterns of layouts, at full resolution;  x ~ a prior over image tokens given s

A convolutional prior learns short grids with fewer steps of two cores than a transformer does. Among many patterns,
each of them unlikely, layouts are drawn at temperature 1: a lower one mostly draws empty ones.

References:
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from torch import nn

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.generators.two_stage import TwoStage
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.priors.alike import begin_alike
from labelmint.priors.guided import NetworkPrior
from labelmint.systems import svq_tables as tables
from labelmint.systems.sections import LayoutPriorSection, LayoutTransformerSection, PriorSection
from labelmint.systems.svq import coupled
from labelmint.systems.svq_sections import MintSections
from labelmint.systems.system import Facts, System, Wired
from labelmint.systems.wiring import prior_of
from labelmint.tokenizers.coupled import Coupled
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.training.likelihood import Likelihood
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "mint"]


def mint(settings: MintSections, facts: Facts) -> Wired:
    """A coupled tokenizer, and a prior over the layout's tokens."""
    section = settings.layout_prior
    if settings.tokenizer.reference:
        raise InputError(
            "--set tokenizer.reference=true: mint draws layouts without images; take svqvae-t or svqgan-t"
        )
    if isinstance(section, LayoutPriorSection) and section.scale != 1:
        raise InputError(
            f"--set layout_prior.scale={section.scale}: is of msgnet's grid; for finer layouts of mint take "
            f"tokenizer.layout_cell=2"
        )
    given = coupled(settings, facts)
    written = cast(TwoStage, given.images).written
    tokenizer = cast(Coupled, written.tokenizer)
    semantics = tokenizer.streams[0]
    prior = prior_of(section, semantics.codebook_size, semantics.grid)
    stage = Stage(
        name="layout_prior",
        module=prior,
        regime=Likelihood(
            section,
            written.layout_tokens,
            sees_layouts=False,
            prepare=partial(_begin_alike, tokenizer) if isinstance(tokenizer, CoupledPatterns) else None,
        ),
    )
    return replace(
        given, stages=(*given.stages, stage), layouts=PriorLayouts(prior, tokenizer, section.temperature)
    )


def _begin_alike(tokenizer: CoupledPatterns, prior: nn.Module, pairs: Pairs) -> None:
    """Patterns that look alike begin alike in the layout prior."""
    begin_alike(cast(NetworkPrior, prior), tokenizer.patterns, pairs.seed)


_OWN: Mapping[str, Any] = {"image_encoder": "local", "image_decoder": "local", "layout_encoder": "patterns"}


def tiny() -> MintSections:
    """For minutes on 2 cores."""
    sizes = {**_OWN, "codebook_size": 128, "semantic_codebook_size": 512}
    snail: dict[str, Any] = {
        "channels": 48,
        "residual_channels": 48,
        "blocks": 2,
        "residual_blocks": 2,
        "kernel_rows": 3,
        "kernel_columns": 5,
        "attention_channels": 32,
        "steps": 3000,
        "batch_size": 32,
        "learning_rate": 2e-3,
    }
    return MintSections(
        tokenizer=tables.tiny(sizes).coupled().tokenizer,
        prior=PriorSection(**snail, token_noise=0.1, at_once="place"),
        layout_prior=LayoutPriorSection(**snail, token_noise=0.0, temperature=1.0),
    )


def small() -> MintSections:
    """For about an hour on 2 cores."""
    sizes = {**_OWN, "semantic_codebook_size": 512}
    snail: dict[str, Any] = {
        "channels": 64,
        "residual_channels": 64,
        "blocks": 2,
        "residual_blocks": 3,
        "kernel_rows": 3,
        "kernel_columns": 5,
        "attention_channels": 64,
        "steps": 6000,
        "batch_size": 16,
        "learning_rate": 1e-3,
    }
    return MintSections(
        tokenizer=tables.small(sizes).coupled().tokenizer,
        prior=PriorSection(**snail, token_noise=0.05, at_once="place", share=0.5),
        layout_prior=LayoutPriorSection(**snail, token_noise=0.0, temperature=1.0, share=0.25),
    )


def svq_256() -> MintSections:
    """The coupled VQ-model's published sizes, and a transformer over its layouts."""
    published = tables.svq_256({}).coupled()
    layout_prior = LayoutTransformerSection(
        width=512,
        layers=12,
        heads=8,
        key_value_heads=8,
        steps=500_000,
        batch_size=32,
        learning_rate=1e-4,
        temperature=1.0,
        token_noise=0.0,
        share=0.25,
    )
    return MintSections(tokenizer=published.tokenizer, prior=published.prior, layout_prior=layout_prior)


SYSTEMS = (
    System(
        name="mint",
        source="labelmint",
        layout_source="prior over a coupled VQ-VAE's semantic tokens, at full resolution",
        image_generator="prior over its image tokens, given the semantic ones",
        sections=MintSections,
        wire=mint,
        presets={"tiny": tiny, "small": small, "svq-256": svq_256},
    ),
)

"""The family of the semantically coupled VQ-model, and labelmint's own `mint`: image tokens drawn given the
layout's tokens.

    vqvae-t, vqgan-t      image and layout tokenized apart; a transformer; layouts are given
    svqvae-t, svqgan-t    image and layout tokenized together; a transformer; layouts are given
    mint                  image and layout tokenized together; a prior over the layout's tokens draws them
                          first

VQ-VAE and VQGAN are one wiring under two objectives: what differs is in the settings. As published a layout
is written in tokens together with its image (`tokenizer.reference`), and images for new layouts need
references; without, which is the default, a layout needs none. So `mint` draws pairs from nothing, and its
labels have full resolution.

References:
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

from typing import cast

from labelmint.errors import InputError
from labelmint.protocols import Stream
from labelmint.systems.config import (
    LayoutPriorSection,
    LayoutTokenizerSection,
    Settings,
    TransformerSection,
    VQModelSection,
)
from labelmint.systems.parts import Facts, SemanticParts
from labelmint.systems.wiring import check_multiples, prior_of
from labelmint.tokenizers.coupled import Coupled, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.layout_vq import LayoutVQ
from labelmint.tokenizers.vq_model import VQModel

__all__ = ["coupled", "mint", "uncoupled"]


def uncoupled(settings: Settings, facts: Facts) -> SemanticParts:
    """Two tokenizers: one of images, one of layouts."""
    sizes = _sizes(settings, facts.size)
    of_layouts = cast(LayoutTokenizerSection, settings.layout_tokenizer)
    check_multiples(facts.size, 1 << of_layouts.downsamplings)
    if sizes.paths == "double" or sizes.reference:
        raise InputError(
            "--set tokenizer.paths, tokenizer.reference: only coupled tokenizers have these; take svqvae-t, "
            "svqgan-t or mint"
        )
    if sizes.layout_encoder == "patterns":
        raise InputError(
            "--set tokenizer.layout_encoder=patterns: here layouts have a tokenizer of their own; take "
            "svqvae-t, svqgan-t or mint"
        )
    tokenizer, layout_tokenizer = (
        VQModel(sizes, facts.image_channels, facts.size),
        LayoutVQ(of_layouts, facts.symbols, facts.size),
    )
    (image,), (semantics,) = tokenizer.streams, layout_tokenizer.streams
    _check_grids(settings, image, semantics)
    prior = prior_of(settings.prior, image.codebook_size, image.grid, given=semantics)
    return SemanticParts(tokenizer, prior, _whole(facts), layout_tokenizer=layout_tokenizer)


def coupled(settings: Settings, facts: Facts) -> SemanticParts:
    """One tokenizer of image and layout. Where its layouts are patterns the image prior sees what these show:
    of many it has seen few.
    """
    sizes = _sizes(settings, facts.size)
    if sizes.layout_encoder == "patterns":
        _check_patterns(settings, sizes, facts)
        tokenizer: Coupled = CoupledPatterns(sizes, facts.image_channels, facts.symbols, facts.size)
    else:
        tokenizer = CoupledVQ(sizes, facts.image_channels, facts.symbols, facts.size)
    semantics, image = tokenizer.streams
    shown = isinstance(tokenizer, CoupledPatterns)
    prior = prior_of(
        settings.prior,
        image.codebook_size,
        image.grid,
        stack=len(tokenizer.paths),
        symbols=facts.symbols if shown else 0,
        given=None if shown else semantics,
    )
    return SemanticParts(tokenizer, prior, _whole(facts))


def mint(settings: Settings, facts: Facts) -> SemanticParts:
    """The same, and a prior over the layout's tokens."""
    sizes = _sizes(settings, facts.size)
    if sizes.reference:
        raise InputError(
            "--set tokenizer.reference=true: mint draws layouts without images; take svqvae-t or svqgan-t"
        )
    if isinstance(settings.layout_prior, LayoutPriorSection) and settings.layout_prior.scale != 1:
        raise InputError(
            f"--set layout_prior.scale={settings.layout_prior.scale}: is of msgnet's grid; for finer layouts "
            f"of mint take "
            "tokenizer.layout_cell=2"
        )
    given = coupled(settings, facts)
    semantics = cast(Coupled, given.tokenizer).streams[0]
    layout_prior = prior_of(settings.layout_prior, semantics.codebook_size, semantics.grid)
    return SemanticParts(given.tokenizer, given.prior, given.label_map, layout_prior)


def _check_grids(settings: Settings, image: Stream, semantics: Stream) -> None:
    """Raise InputError for a prior that can't lay the layout's tokens over the image's."""
    both = list(zip(semantics.grid, image.grid, strict=True))
    finer, coarser = all(a % b == 0 for a, b in both), all(b % a == 0 for a, b in both)
    condition = settings.prior.condition if isinstance(settings.prior, TransformerSection) else None
    if (condition is None and not finer) or (condition in ("aligned", "both") and not coarser):
        (h, w), (rows, columns) = semantics.grid, image.grid
        raise InputError(
            f"--set layout_tokenizer.multipliers: {h}x{w} tokens of a layout don't lie evenly over "
            f"{rows}x{columns} of an image, as this "
            "prior needs it; take as many as in tokenizer.multipliers, or a transformer with "
            "prior.condition=prefix"
        )


def _check_patterns(settings: Settings, sizes: VQModelSection, facts: Facts) -> None:
    """Raise InputError where layouts can't be cut into cells, or the table has no room."""
    if any(side % sizes.cell for side in facts.size):
        raise InputError(
            f"--set tokenizer.layout_cell={sizes.layout_cell}: must divide the "
            f"{facts.size[0]}x{facts.size[1]} pixels of an image; take "
            f"{1 << max(sizes.downsamplings - 1, 0)}, or leave it out"
        )
    token, scale = 1 << sizes.downsamplings, settings.prior.condition_scale
    if token % scale:
        raise InputError(
            f"--set prior.condition_scale={scale}: must divide the {token} pixels of a token's side"
        )
    if sizes.semantic_codebook_size < facts.symbols:
        raise InputError(
            f"--set tokenizer.semantic_codebook_size={sizes.semantic_codebook_size}: the data have "
            f"{facts.symbols} symbols (classes, and "
            f"colors of touching instances), and each needs a pattern; take {4 * facts.symbols} or more, or "
            f"--system msgnet, which has none"
        )


def _sizes(settings: Settings, size: tuple[int, int]) -> VQModelSection:
    check_multiples(size, 1 << settings.tokenizer.downsamplings)
    return cast(VQModelSection, settings.tokenizer)  # as the presets of this family have it


def _whole(facts: Facts) -> LabelMap:
    return LabelMap(facts.symbols, facts.size, facts.size)

"""The family of the semantically coupled VQ-model: image tokens drawn given the layout's tokens.

    vqvae-t, vqgan-t      image and layout tokenized apart; a transformer; layouts are given
    svqvae-t, svqgan-t    image and layout tokenized together; a transformer; layouts are given

VQ-VAE and VQGAN are one wiring under two objectives: what differs is in the settings. As published a layout is
written in tokens together with its image (`tokenizer.reference`), and images for new layouts need references;
without, which is the default, a layout needs none.

References:
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from labelmint.errors import InputError
from labelmint.generators.pair_tokens import PairTokens
from labelmint.generators.two_stage import TwoStage
from labelmint.objectives.patterns import PatternsObjective
from labelmint.objectives.vq_model import VQObjective
from labelmint.protocols import Stream
from labelmint.systems import svq_tables as tables
from labelmint.systems.sections import TransformerSection
from labelmint.systems.svq_sections import CoupledSections, UncoupledSections, VQModelSection
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples, check_patches, learning_images, prior_of, reconstructing
from labelmint.tokenizers.coupled import CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.layout_vq import LayoutVQ
from labelmint.tokenizers.vq_model import VQModel
from labelmint.training.likelihood import Likelihood
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "coupled", "uncoupled"]

_SOURCE = "Semantic image synthesis with semantically coupled VQ-model (2022)"


def uncoupled(settings: UncoupledSections, facts: Facts) -> Wired:
    """Two tokenizers: one of images, one of layouts."""
    sizes, of_layouts = settings.tokenizer, settings.layout_tokenizer
    _check_apart(settings, facts)
    _check_adversary(sizes, facts)
    tokenizer = VQModel(sizes, facts.image_channels, facts.size)
    layout_tokenizer = LayoutVQ(of_layouts, facts.symbols, facts.size)
    (image,), (semantics,) = tokenizer.streams, layout_tokenizer.streams
    _check_grids(settings, image, semantics)
    prior = prior_of(settings.prior, image.codebook_size, image.grid, given=semantics)
    written = PairTokens(
        tokenizer=tokenizer, of_layouts=layout_tokenizer, given="tokens", label_map=_whole(facts)
    )
    # An adversary of layouts would have no images to judge.
    alone = of_layouts.model_copy(update={"adversary": 0.0})
    return Wired(
        stages=(
            Stage(
                name="tokenizer",
                module=tokenizer,
                regime=reconstructing(sizes, facts.image_channels, unlabelled=sizes.unlabelled),
            ),
            Stage(
                name="layout_tokenizer",
                module=layout_tokenizer,
                regime=reconstructing(alone, facts.image_channels),
            ),
            Stage(
                name="prior",
                module=prior,
                regime=learning_images(settings.prior, "prior", facts, written.image_tokens),
            ),
        ),
        images=TwoStage(prior, written),
        see=written.see,
        reach=facts.size[0] // semantics.grid[0],
    )


def coupled(settings: CoupledSections, facts: Facts) -> Wired:
    """One tokenizer of image and layout. Where its layouts are patterns the image prior sees what these show: of
    many it has seen few.
    """
    sizes = settings.tokenizer
    check_multiples(facts.size, 1 << sizes.downsamplings)
    _check_adversary(sizes, facts)
    shown = sizes.layout_encoder == "patterns"
    if shown:
        _check_patterns(settings, facts)
    kind: type[CoupledPatterns | CoupledVQ] = CoupledPatterns if shown else CoupledVQ
    tokenizer = kind(sizes, facts.image_channels, facts.symbols, facts.size)
    semantics, image = tokenizer.streams
    prior = prior_of(
        settings.prior,
        image.codebook_size,
        image.grid,
        stack=len(tokenizer.paths),
        symbols=facts.symbols if shown else 0,
        given=None if shown else semantics,
    )
    written = PairTokens(
        tokenizer=tokenizer,
        of_layouts=tokenizer,
        given="shown" if shown else "tokens",
        label_map=_whole(facts),
        references=sizes.reference,
    )
    regime = reconstructing(sizes, facts.image_channels, PatternsObjective if shown else VQObjective)
    return Wired(
        stages=(
            Stage(name="tokenizer", module=tokenizer, regime=regime),
            Stage(name="prior", module=prior, regime=Likelihood(settings.prior, written.image_tokens)),
        ),
        images=TwoStage(prior, written),
        see=written.see,
        reach=facts.size[0] // semantics.grid[0],
    )


def _check_adversary(sizes: VQModelSection, facts: Facts) -> None:
    """Raise InputError where images are too small for the discriminator, if there is one."""
    if sizes.adversary:
        check_patches(facts.size, sizes.discriminator_layers, "tokenizer")


def _check_apart(settings: UncoupledSections, facts: Facts) -> None:
    """Raise InputError for sizes that do not fit, and for settings of coupled tokenizers."""
    sizes = settings.tokenizer
    for section in (sizes, settings.layout_tokenizer):
        check_multiples(facts.size, 1 << section.downsamplings)
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


def _check_grids(settings: UncoupledSections, image: Stream, semantics: Stream) -> None:
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


def _check_patterns(settings: CoupledSections, facts: Facts) -> None:
    """Raise InputError where layouts can't be cut into cells, or the table has no room."""
    sizes = settings.tokenizer
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


def _whole(facts: Facts) -> LabelMap:
    return LabelMap(facts.symbols, facts.size, facts.size)


def _coupled(
    presets: Mapping[str, Callable[[], UncoupledSections]],
) -> dict[str, Callable[[], CoupledSections]]:
    """The presets of a system with one tokenizer."""

    def preset(table: Callable[[], UncoupledSections]) -> CoupledSections:
        return table().coupled()

    return {name: partial(preset, table) for name, table in presets.items()}


SYSTEMS = (
    System(
        name="vqvae-t",
        source=f"{_SOURCE}, its baseline",
        layout_source=GIVEN,
        image_generator="transformer over a VQ-VAE's tokens, given those of a second VQ-VAE for layouts",
        sections=UncoupledSections,
        wire=uncoupled,
        presets=tables.VQVAE,
        from_pool=True,
    ),
    System(
        name="vqgan-t",
        source=f"{_SOURCE}, its baseline",
        layout_source=GIVEN,
        image_generator="transformer over a VQGAN's tokens, given those of a VQ-VAE for layouts",
        sections=UncoupledSections,
        wire=uncoupled,
        presets=tables.VQGAN,
        from_pool=True,
    ),
    System(
        name="svqvae-t",
        source=_SOURCE,
        layout_source=GIVEN,
        image_generator="transformer over the image tokens of a coupled VQ-VAE, given its semantic tokens",
        sections=CoupledSections,
        wire=coupled,
        presets=_coupled(tables.VQVAE),
    ),
    System(
        name="svqgan-t",
        source=_SOURCE,
        layout_source=GIVEN,
        image_generator="transformer over the image tokens of a coupled VQGAN, given its semantic tokens",
        sections=CoupledSections,
        wire=coupled,
        presets=_coupled(tables.VQGAN),
    ),
)

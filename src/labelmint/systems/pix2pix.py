"""pix2pix: a U-Net from a layout to an image, against a patch discriminator that sees both.

    L_G = vanilla L_G(D(s, G(s, z))) + 100 |x - G(s, z)|,    z the masks of dropout;  s is given

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004: Equation 4, appendix 6
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.generators.network import OneNetwork
from labelmint.generators.unet import UNetConfig, UNetGenerator
from labelmint.nn.initial import begin_normal
from labelmint.nn.patch import PatchDiscriminator
from labelmint.objectives.adversarial import VANILLA
from labelmint.objectives.likeness import LikenessObjective
from labelmint.systems.adversary import RivalTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples, check_patches
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "Pix2PixSection", "Pix2PixSections", "pix2pix"]


class Pix2PixTraining(RivalTraining):
    """How pix2pix is trained; the defaults are those published, at a batch of one."""

    batch_size: int = Field(1, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    l1: float = Field(100.0, ge=0, description="weight of the absolute error beside the adversary")
    discriminator_channels: int = Field(64, ge=8, multiple_of=8)
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="its strided layers; a patch is 16, 34, 70, ... pixels wide"
    )


class Pix2PixSection(UNetConfig, Pix2PixTraining):
    """The generator: sizes and training."""

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.downsamplings


class Pix2PixSections(Sections):
    """Settings of pix2pix."""

    generator: Pix2PixSection = Pix2PixSection()


def pix2pix(settings: Pix2PixSections, facts: Facts) -> Wired:
    """One network, one stage, one discriminator."""
    section = settings.generator
    check_multiples(facts.size, section.multiple, "the network")
    check_patches(facts.size, section.discriminator_layers, "generator")
    network = UNetGenerator(section, facts.symbols, facts.image_channels, facts.size)

    def discriminator() -> nn.Module:
        made = PatchDiscriminator(
            facts.image_channels,
            section.discriminator_channels,
            section.discriminator_layers,
            symbols=facts.symbols + (section.augment_below > 0),  # one more of what it is not shown
            layout_channels=section.layout_channels,
        )
        begin_normal(made)
        return made

    against = Against(
        discriminator=discriminator,
        loss=VANILLA,
        rate=section.discriminator_rate,
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = LikenessObjective(network.noise, absolute=section.l1)
    regime = Adversarial(section, objective, against, section.half_life)
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(network, seen)
    )


# Batches of eight learn faster than single images, and the generator at five times the discriminator's rate.
_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "discriminator_learning_rate": 2e-4,
    "augment_below": FEW_IMAGES,
}


def tiny() -> Pix2PixSections:
    """For minutes on 2 cores."""
    return Pix2PixSections(
        generator=Pix2PixSection(
            channels=16,
            downsamplings=5,
            layout_channels=8,
            output="linear",
            discriminator_channels=16,
            discriminator_layers=2,
            **_ON_A_CPU,
        )
    )


def small() -> Pix2PixSections:
    """For about an hour on 2 cores."""
    return Pix2PixSections(
        generator=Pix2PixSection(
            channels=32,
            downsamplings=6,
            output="linear",
            discriminator_channels=32,
            discriminator_layers=2,
            **_ON_A_CPU,
        )
    )


def published() -> Pix2PixSections:
    """The published settings for 256x256 pixels: facades, 400 images, 200 epochs of one image a step."""
    return Pix2PixSections(generator=Pix2PixSection(steps=80_000, evaluate_every=1000))


SYSTEMS = (
    System(
        name="pix2pix",
        source="Image-to-Image Translation with Conditional Adversarial Networks (2017)",
        layout_source=GIVEN,
        image_generator="U-Net with dropout as its noise, against a patch discriminator",
        sections=Pix2PixSections,
        wire=pix2pix,
        presets={"tiny": tiny, "small": small, "pix2pix-256": published},
    ),
)

"""BigGAN: a residual generator with self-attention that learns from images alone, against one verdict an image.

    L_G = hinge L_G(D(G(z))) + 1e-4 R(W),    no layout: labels are left unused

Where the data have one class an image (folders of classes, or maps of one class), layouts are given and say no more
than that class, which both networks are told.

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019),
    https://arxiv.org/abs/1809.11096
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.generators.biggan import BigGANConfig, BigGANGenerator
from labelmint.generators.network import OneNetwork
from labelmint.nn.residual_discriminator import ResidualDiscriminator
from labelmint.objectives.adversarial import HINGE
from labelmint.objectives.unguided import UnguidedObjective
from labelmint.systems.adversary import RivalTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import Facts, System, Wired
from labelmint.systems.wiring import check_coarsest, check_multiples, least_at_once
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "BigGANSection", "BigGANSections", "biggan"]


class BigGANTraining(RivalTraining):
    """How BigGAN is trained; the defaults are those published."""

    batch_size: int = Field(2048, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    discriminator_learning_rate: float | None = Field(
        2e-4, gt=0, description="highest of its schedule; the generator's where there is none"
    )
    discriminator_channels: int = Field(96, ge=8, multiple_of=8, description="width of its first block")
    discriminator_updates: int = Field(2, ge=1, description="of the discriminator for each of the generator")
    orthogonal: float = Field(
        1e-4, ge=0, description="weight of the regularization that keeps weights orthogonal"
    )
    half_life: float = Field(
        0.05, ge=0, lt=1, description="of the average of the weights, a share of the steps done; 0: the last"
    )


class BigGANSection(BigGANConfig, BigGANTraining):
    """The generator: sizes and training."""


class BigGANSections(Sections):
    """Settings of biggan."""

    generator: BigGANSection = BigGANSection()


def biggan(settings: BigGANSections, facts: Facts) -> Wired:
    """One network, one stage, one discriminator; both see classes where there are several symbols."""
    section = settings.generator
    check_multiples(facts.size, section.multiple, "the network")
    check_coarsest(facts.size, section.doublings, section.norm, least_at_once(section))
    classes = facts.symbols if facts.symbols > 1 else 0
    network = BigGANGenerator(section, classes, facts.image_channels, facts.size)

    def discriminator() -> nn.Module:
        return ResidualDiscriminator(
            facts.image_channels,
            section.discriminator_channels,
            section.doublings,
            symbols=classes,
            attention=section.attention,
        )

    against = Against(
        discriminator=discriminator,
        loss=HINGE,
        rate=section.discriminator_rate,
        betas=(0.0, 0.999),
        updates=section.discriminator_updates,
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = UnguidedObjective(network.noise, orthogonal=section.orthogonal)
    regime = Adversarial(section, objective, against, section.half_life)
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(network, seen)
    )


_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 16,
    "learning_rate": 2e-4,
    "discriminator_learning_rate": 2e-4,
    "discriminator_updates": 1,
    "norm": "instance",
    "output": "linear",
    "class_channels": 16,
    "augment_below": FEW_IMAGES,
}


def tiny() -> BigGANSections:
    """For minutes on 2 cores."""
    return BigGANSections(
        generator=BigGANSection(
            channels=16, widest=8, doublings=3, discriminator_channels=16, code_part=16, **_ON_A_CPU
        )
    )


def small() -> BigGANSections:
    """For about an hour on 2 cores."""
    return BigGANSections(
        generator=BigGANSection(
            channels=16, widest=8, doublings=4, discriminator_channels=16, code_part=16, **_ON_A_CPU
        )
    )


def published() -> BigGANSections:
    """The published settings for ImageNet at 128x128 pixels, without its classes where the data have none."""
    return BigGANSections(generator=BigGANSection(steps=140_000, evaluate_every=1000))


def clevr() -> BigGANSections:
    """The published widths for 64x64 pixels, at the batch that MSGNet's networks have there: it names no other."""
    return BigGANSections(
        generator=BigGANSection(doublings=4, batch_size=64, steps=100_000, evaluate_every=1000)
    )


SYSTEMS = (
    System(
        name="biggan",
        source="Large Scale GAN Training for High Fidelity Natural Image Synthesis (2019)",
        layout_source="none: images alone, or a class of the whole image",
        image_generator="residual generator with self-attention, against one verdict an image",
        sections=BigGANSections,
        wire=biggan,
        presets={"tiny": tiny, "small": small, "clevr-64": clevr, "biggan-128": published},
        from_images=True,
    ),
)

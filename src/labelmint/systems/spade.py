"""SPADE: a generator that is told at every size what is where, against discriminators of two sizes.

    L_G = hinge L_G(D(s, G)) + 10 L_FM + 10 d(x, G) [+ 0.05 KL],    s is given

With an image encoder (`generator.code` above 0) images of a layout differ in style; without one there is one. d is
VGG-19's where `generator.vgg` names its file, else the structure distance. In `tiny` and `small` new images draw the
styles that training images have (`generators.codes`), and every block is told the style.

References:
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.generators.network import OneNetwork
from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.nn.initial import begin_xavier
from labelmint.nn.patch import MultiScaleDiscriminator
from labelmint.objectives.adversarial import HINGE
from labelmint.objectives.likeness import LikenessObjective
from labelmint.protocols import Noise
from labelmint.systems.adversary import LikenessTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_coarsest, check_multiples, least_at_once
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = [
    "ON_A_CPU",
    "SYSTEMS",
    "SpadeSection",
    "SpadeSections",
    "SpadeTraining",
    "spade",
    "styled_objective",
]


class SpadeTraining(LikenessTraining):
    """How SPADE is trained; the defaults are those published."""

    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    discriminator_learning_rate: float | None = Field(
        4e-4, gt=0, description="highest of its schedule; the generator's where there is none"
    )
    kl: float = Field(0.05, gt=0, description="weight of the style's divergence from N(0, 1)")
    free: float = Field(
        0.0, ge=0, description="nats of that divergence that cost nothing, so that the style comes into use"
    )


class SpadeSection(SpadeConfig, SpadeTraining):
    """The generator: sizes and training."""


class SpadeSections(Sections):
    """Settings of spade."""

    generator: SpadeSection = SpadeSection()


def styled_objective(training: SpadeTraining, noise: Noise | None, code: int) -> LikenessObjective:
    """The generator's objective, with the divergence of a style of `code` numbers; 0: there is none."""
    return LikenessObjective(
        noise,
        absolute=training.l1,
        perceptual=training.perceptual,
        vgg=training.vgg,
        kl=training.kl if code else 0.0,
        free=training.free,
    )


def spade(settings: SpadeSections, facts: Facts) -> Wired:
    """One network, one stage, discriminators of several sizes."""
    section = settings.generator
    check_multiples(facts.size, section.multiple, "the network")
    check_coarsest(facts.size, section.doublings, section.norm, least_at_once(section))
    section.check_discriminated(facts.size)
    network = SpadeGenerator(section, facts.symbols, facts.image_channels, facts.size)

    def discriminator() -> nn.Module:
        return begin_xavier(
            MultiScaleDiscriminator(
                facts.image_channels,
                section.discriminator_channels,
                section.discriminator_layers,
                section.discriminator_scales,
                symbols=facts.symbols + 1,
                layout_channels=section.layout_channels,
            )
        )

    against = Against(
        discriminator=discriminator,
        loss=HINGE,
        rate=section.discriminator_rate,
        betas=(0.0, 0.999),
        matching=section.matching * (section.discriminator_layers + 1),
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = styled_objective(section, network.noise, section.code)
    regime = Adversarial(section, objective, against, section.half_life)
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(network, seen)
    )


# Without VGG-19 nothing but the absolute error tells how bright an image is: the structure distance heeds differences.
ON_A_CPU: dict[str, Any] = {
    "perceptual": 1.0,
    "l1": 10.0,
    "steps": 6000,
    "batch_size": 8,
    "learning_rate": 2e-4,
    "norm": "instance",
    "encoder": "residual",
    "style_prior": "fitted",
    "told": 8,
    "output": "linear",
    "layout_channels": 8,
    "discriminator_layers": 2,
    "half_life": 0.05,
    "free": 8.0,
    "augment_below": FEW_IMAGES,
}


def tiny() -> SpadeSections:
    """For minutes on 2 cores."""
    return SpadeSections(
        generator=SpadeSection(
            channels=8, widest=8, doublings=3, hidden=16, code=16, discriminator_channels=16, **ON_A_CPU
        )
    )


def small() -> SpadeSections:
    """For about an hour on 2 cores."""
    return SpadeSections(
        generator=SpadeSection(
            channels=16, widest=8, doublings=4, hidden=32, code=32, discriminator_channels=32, **ON_A_CPU
        )
    )


def published() -> SpadeSections:
    """The published settings for 256x256 pixels, without the image encoder, as its tables have it."""
    return SpadeSections(generator=SpadeSection(code=0, steps=126_000, evaluate_every=1000))


def street_scenes() -> SpadeSections:
    """The published settings for Cityscapes at 256x512 pixels: 2,975 images, 200 epochs."""
    return SpadeSections(
        generator=SpadeSection(
            code=0, doublings=6, one_a_size=True, batch_size=16, steps=37_000, evaluate_every=1000
        )
    )


SYSTEMS = (
    System(
        name="spade",
        source="Semantic Image Synthesis with Spatially-Adaptive Normalization (2019)",
        layout_source=GIVEN,
        image_generator="SPADE generator with an optional image encoder, against discriminators of two sizes",
        sections=SpadeSections,
        wire=spade,
        presets={"tiny": tiny, "small": small, "spade-256": published, "cityscapes-256x512": street_scenes},
    ),
)

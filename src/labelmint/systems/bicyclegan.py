"""BicycleGAN: many images of one layout, each by its code, which an encoder finds again in the image.

    L = L_G(D_1(G(s, z))) + L_G(D_2(G(s, z'))) + 10 |x - G(s, z)| + 0.01 KL + 0.5 |z' - mu(G(s, z'))|
    z ~ q(z|x),  z' ~ N(0, I),  s is given;  the last term moves G alone

Both adversaries are least squares, at two sizes each. As published they see no layouts; `generator.conditional` shows
them. New images of `tiny` and `small` draw the codes that training images have (`generators.codes`).

References:
    Toward Multimodal Image-to-Image Translation (Zhu et al., 2017), https://arxiv.org/abs/1711.11586: Equation 9
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.generators.bicycle import BicycleConfig, BicycleGenerator
from labelmint.generators.network import OneNetwork
from labelmint.nn.initial import begin_xavier
from labelmint.nn.patch import MultiScaleDiscriminator, OneForEach
from labelmint.objectives.adversarial import LEAST_SQUARES
from labelmint.objectives.cycles import CyclesObjective
from labelmint.systems.adversary import AdversaryTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "BicycleSection", "BicycleSections", "bicyclegan"]

_CYCLES = 2


class BicycleTraining(AdversaryTraining):
    """How BicycleGAN is trained; the defaults are those published."""

    batch_size: int = Field(2, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    l1: float = Field(10.0, ge=0, description="weight of the absolute error of the image that comes back")
    kl: float = Field(0.01, ge=0, description="weight of the code's divergence from N(0, I)")
    latent: float = Field(0.5, ge=0, description="weight of the absolute error of the code that comes back")
    conditional: bool = Field(False, description="whether discriminators see the layout beside the image")


class BicycleSection(BicycleConfig, BicycleTraining):
    """The generator: sizes and training."""


class BicycleSections(Sections):
    """Settings of bicyclegan."""

    generator: BicycleSection = BicycleSection()


def bicyclegan(settings: BicycleSections, facts: Facts) -> Wired:
    """One network, one stage, a discriminator for each of the two cycles."""
    section = settings.generator
    check_multiples(facts.size, section.multiple, "the network")
    section.check_discriminated(facts.size)
    network = BicycleGenerator(section, facts.symbols, facts.image_channels, facts.size)

    def discriminator() -> nn.Module:
        each = (
            MultiScaleDiscriminator(
                facts.image_channels,
                section.discriminator_channels,
                section.discriminator_layers,
                section.discriminator_scales,
                symbols=facts.symbols + 1 if section.conditional else 0,
                layout_channels=section.layout_channels,
                spectral=False,
            )
            for _ in range(_CYCLES)
        )
        return begin_xavier(OneForEach(*each))

    against = Against(
        discriminator=discriminator,
        loss=LEAST_SQUARES,
        rate=section.discriminator_rate,
        summed=True,  # over cycles and sizes, as published
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = CyclesObjective(network.noise, absolute=section.l1, kl=section.kl, latent=section.latent)
    regime = Adversarial(section, objective, against, section.half_life)
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(network, seen)
    )


# As pix2pix learns there; discriminators see the layout, or images drawn by a code would owe it nothing.
_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "discriminator_learning_rate": 2e-4,
    "style_prior": "fitted",
    "output": "linear",
    "layout_channels": 8,
    "discriminator_layers": 2,
    "conditional": True,
    "half_life": 0.05,
    "augment_below": FEW_IMAGES,
}


def tiny() -> BicycleSections:
    """For minutes on 2 cores."""
    return BicycleSections(
        generator=BicycleSection(
            channels=16, downsamplings=5, encoder_channels=16, discriminator_channels=16, **_ON_A_CPU
        )
    )


def small() -> BicycleSections:
    """For about an hour on 2 cores."""
    return BicycleSections(
        generator=BicycleSection(
            channels=32, downsamplings=6, encoder_channels=32, discriminator_channels=32, **_ON_A_CPU
        )
    )


def published() -> BicycleSections:
    """The published settings for 256x256 pixels: facades, 400 images, 400 epochs of two images a step."""
    return BicycleSections(generator=BicycleSection(steps=80_000, evaluate_every=1000))


SYSTEMS = (
    System(
        name="bicyclegan",
        source="Toward Multimodal Image-to-Image Translation (2017)",
        layout_source=GIVEN,
        image_generator="U-Net with a code that an encoder finds, against a discriminator for each of two cycles",
        sections=BicycleSections,
        wire=bicyclegan,
        presets={"tiny": tiny, "small": small, "bicyclegan-256": published},
    ),
)

"""Layout2Im: images of boxes, whose objects have codes of their own that an estimator finds in what is cut out.

    L_G = L_G(D(x')) + L_G(D(o')) - log p(c | o') + |x - G(s, q)| + 10 |z - q(G(s, z))| + 0.5 KL
    L_D = (L_D(D(x), D(x')) + L_D(D(o), D(o')) - log p(c | o) / 2) / 2,    s boxes and their classes, given

o are the objects, cut out; x' are the images of both cycles. The six terms of L_G are the paper's; KL is a mean over
objects.

References:
    Image Generation from Layout (Zhao et al., 2019), https://arxiv.org/abs/1811.11389
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import nn

from labelmint.generators.network import OneNetwork
from labelmint.generators.object_fusion import ObjectFusionConfig, ObjectFusionGenerator
from labelmint.layouts.boxes import BoxSettings
from labelmint.nn.crop_discriminator import ImageAndCrops
from labelmint.objectives.adversarial import WITH_CLASSES
from labelmint.objectives.cycles import CyclesObjective
from labelmint.systems.adversary import RivalTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import blank_boxes, box_rule, check_multiples
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "Layout2ImSection", "Layout2ImSections", "layout2im"]


class Layout2ImTraining(RivalTraining):
    """How Layout2Im is trained; the defaults are those published."""

    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    discriminator_channels: int = Field(64, ge=8, multiple_of=8)
    l1: float = Field(1.0, ge=0, description="weight of the absolute error of the image that comes back")
    kl: float = Field(
        0.5,
        ge=0,
        description="weight of a code's divergence from N(0, I), a mean over the objects of a batch",
    )
    latent: float = Field(10.0, ge=0, description="weight of the absolute error of the codes that come back")


class Layout2ImSection(ObjectFusionConfig, BoxSettings, Layout2ImTraining):
    """The generator: sizes, boxes and training."""


class Layout2ImSections(Sections):
    """Settings of layout2im."""

    generator: Layout2ImSection = Layout2ImSection()


def layout2im(settings: Layout2ImSections, facts: Facts) -> Wired:
    """One network that sees boxes, one stage, discriminators of images and of objects."""
    section, size = settings.generator, facts.size
    check_multiples(size, section.multiple, "the network")
    rule = box_rule(facts, section.most_boxes)
    network = ObjectFusionGenerator(section, facts.symbols, rule.most, facts.image_channels, size)

    def discriminator() -> nn.Module:
        halvings = max(min(size).bit_length() - 3, 1)
        return ImageAndCrops(
            facts.image_channels, section.discriminator_channels, halvings, section.crops, facts.symbols
        )

    against = Against(
        discriminator=discriminator,
        loss=WITH_CLASSES,
        rate=section.discriminator_rate,
        summed=True,  # the losses of the image and of its objects, as published
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = CyclesObjective(network.noise, absolute=section.l1, kl=section.kl, latent=section.latent)
    regime = Adversarial(section, objective, against, section.half_life)
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),),
        images=OneNetwork(network, blank_boxes(rule, size)),
        see=rule.see,
    )


_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 8,
    "learning_rate": 5e-4,
    "discriminator_learning_rate": 2e-4,
    "norm": "group",
    "l1": 10.0,
    "half_life": 0.05,
    "augment_below": FEW_IMAGES,
}


def tiny() -> Layout2ImSections:
    """For minutes on 2 cores."""
    return Layout2ImSections(
        generator=Layout2ImSection(
            channels=16,
            code=16,
            class_channels=16,
            lstm_layers=1,
            residual=2,
            crops=16,
            discriminator_channels=8,
            **_ON_A_CPU,
        )
    )


def small() -> Layout2ImSections:
    """For about an hour on 2 cores."""
    return Layout2ImSections(
        generator=Layout2ImSection(
            channels=32, code=32, lstm_layers=2, residual=4, discriminator_channels=16, **_ON_A_CPU
        )
    )


def published() -> Layout2ImSections:
    """The published settings for 64x64 pixels: COCO-Stuff, and Visual Genome."""
    return Layout2ImSections(generator=Layout2ImSection(steps=300_000, evaluate_every=1000))


SYSTEMS = (
    System(
        name="layout2im",
        source="Image Generation from Layout (2019)",
        layout_source=GIVEN,
        image_generator="objects with codes of their own, fused by a convolutional LSTM, against discriminators of "
        "images and of objects",
        sections=Layout2ImSections,
        wire=layout2im,
        presets={"tiny": tiny, "small": small, "coco-64": published},
    ),
)

"""pix2pixHD: a generator trained from coarse to fine, that sees where instances meet, against discriminators of three
sizes.

    L_G = sum over sizes  least squares L_G(D_k(s, G)) + 10 L_FM + 10 d(x, G),    s is given

L_FM is summed over the layers of a discriminator, and is the mean of its sizes. d is VGG-19's where `generator.vgg`
names its file, else the structure distance. The global part learns first, at half size, then the enhancer while the
global part stands still, then both: shares of the stage's progress. A layout has one image, unless an encoder finds
`generator.features` of each object of the real image; it learns with the global part.

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Equations 3 to 5
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.errors import InputError
from labelmint.generators.network import OneNetwork
from labelmint.generators.pix2pixhd import Pix2PixHDConfig, Pix2PixHDGenerator
from labelmint.nn.initial import begin_normal
from labelmint.nn.patch import MultiScaleDiscriminator
from labelmint.objectives.adversarial import LEAST_SQUARES
from labelmint.objectives.likeness import LikenessObjective
from labelmint.systems.adversary import LikenessTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.phases import Phase
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "Pix2PixHDSection", "Pix2PixHDSections", "pix2pixhd"]


class Pix2PixHDTraining(LikenessTraining):
    """How pix2pixHD is trained; the defaults are those published."""

    batch_size: int = Field(1, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    discriminator_scales: int = Field(3, ge=1, le=4, description="sizes at which images are judged")
    coarse_until: float = Field(
        2 / 3,
        ge=0,
        lt=1,
        description="share of the training in which the global part learns alone, at half size",
    )
    enhancer_until: float = Field(
        0.7,
        ge=0,
        lt=1,
        description="share of the training after which both parts learn; the enhancer alone until then",
    )


class Pix2PixHDSection(Pix2PixHDConfig, Pix2PixHDTraining):
    """The generator: sizes and training."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """From coarse to fine; none without an enhancer."""
        if not self.enhancer_blocks:
            return ()
        beside = ("features",) if self.features else ()
        return (
            Phase(self.coarse_until, shrink=2, learns=("coarse", "coarse_image", *beside)),
            Phase(self.enhancer_until, learns=("enhancer",)),
            Phase(1.0, learns=("coarse", "enhancer", *beside)),
        )


class Pix2PixHDSections(Sections):
    """Settings of pix2pixhd."""

    generator: Pix2PixHDSection = Pix2PixHDSection()


def pix2pixhd(settings: Pix2PixHDSections, facts: Facts) -> Wired:
    """One network, one stage of three phases, discriminators of several sizes."""
    section = settings.generator
    _check_size(section, facts.size)
    network = Pix2PixHDGenerator(
        section, facts.symbols, facts.image_channels, facts.size, kinds=facts.kinds or None, whole=facts.whole
    )

    def discriminator() -> nn.Module:
        return begin_normal(
            MultiScaleDiscriminator(
                facts.image_channels,
                section.discriminator_channels,
                section.discriminator_layers,
                section.discriminator_scales,
                symbols=facts.symbols + 1,
                layout_channels=section.layout_channels,
                spectral=False,
                edges=section.edges,
                height=facts.size[0],
            )
        )

    against = Against(
        discriminator=discriminator,
        loss=LEAST_SQUARES,
        rate=section.discriminator_rate,
        summed=True,
        # Published is a sum over the layers that have maps; ours is a mean.
        matching=section.matching * (section.discriminator_layers + 1),
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    objective = LikenessObjective(
        network.noise,
        absolute=section.l1,
        perceptual=section.perceptual,
        vgg=section.vgg,
        encodes=section.features > 0,
    )
    regime = Adversarial(section, objective, against, section.half_life, section.phases)
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(network, seen)
    )


def _check_size(section: Pix2PixHDSection, size: tuple[int, int]) -> None:
    """Raise InputError for images (H, W) that the network or its discriminators cannot see."""
    check_multiples(size, section.multiple, "the network")
    least = 2 * section.multiple
    if min(size) < least:
        raise InputError(
            f"--set generator.downsamplings={section.downsamplings}: needs images of {least} pixels a side or more, "
            f"and these have {size[0]}x{size[1]}; take fewer, or larger images"
        )
    section.check_discriminated(size)


# Without VGG-19 little says how bright an image is: the structure distance heeds differences between pixels alone, and
# so do normalized discriminators. The absolute error does; its gradient is lost beside ten times the structure's.
_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 4,
    "perceptual": 1.0,
    "l1": 10.0,
    "learning_rate": 1e-3,
    "discriminator_learning_rate": 2e-4,
    "output": "linear",
    "layout_channels": 8,
    "discriminator_layers": 2,
    "coarse_until": 0.4,
    "enhancer_until": 0.5,
    "half_life": 0.05,
    "augment_below": FEW_IMAGES,
}


def tiny() -> Pix2PixHDSections:
    """For minutes on 2 cores."""
    return Pix2PixHDSections(
        generator=Pix2PixHDSection(
            channels=16,
            downsamplings=2,
            blocks=3,
            enhancer_blocks=1,
            discriminator_channels=16,
            discriminator_scales=2,
            **_ON_A_CPU,
        )
    )


def small() -> Pix2PixHDSections:
    """For about an hour on 2 cores."""
    return Pix2PixHDSections(
        generator=Pix2PixHDSection(
            channels=32, downsamplings=3, blocks=4, enhancer_blocks=2, discriminator_channels=32, **_ON_A_CPU
        )
    )


def street_scenes() -> Pix2PixHDSections:
    """The published settings for Cityscapes at 512x1024 pixels: the global part alone, two discriminators; 2,975
    images, 200 epochs of one image a step.
    """
    return Pix2PixHDSections(
        generator=Pix2PixHDSection(
            enhancer_blocks=0, discriminator_scales=2, steps=595_000, evaluate_every=5000
        )
    )


def large_street_scenes() -> Pix2PixHDSections:
    """The published settings for Cityscapes at 1024x2048 pixels: 200 epochs of the global part at half size, 10 of the
    enhancer, 90 of both.
    """
    return Pix2PixHDSections(generator=Pix2PixHDSection(steps=892_500, evaluate_every=5000))


SYSTEMS = (
    System(
        name="pix2pixhd",
        source="High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (2018)",
        layout_source=GIVEN,
        image_generator="global generator and local enhancer that see instance edges, trained from coarse to fine",
        sections=Pix2PixHDSections,
        wire=pix2pixhd,
        presets={
            "tiny": tiny,
            "small": small,
            "pix2pixhd-512x1024": street_scenes,
            "pix2pixhd-1024x2048": large_street_scenes,
        },
    ),
)

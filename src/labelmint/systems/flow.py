"""`flow`, labelmint's own: rectified flow in pixel space given the layout.

    x ~ noise carried along v(x_t, t, s);  s is given

Nothing stands between the layout and the pixels, so textures finer than a token's cell survive. An average of the
weights draws, with a half-life of a share of the steps done. Layouts are hidden for some items, so that guidance
works, and of images without labels, where there are any: these teach p(x). More training falls on times near pure
noise, where it is decided what kind of image comes.

References:
    Rectified Flow (Liu et al., 2022), https://arxiv.org/abs/2209.03003
"""

from __future__ import annotations

import torch
from pydantic import Field

from labelmint.generators.flow_images import FlowImages
from labelmint.generators.network import OneNetwork
from labelmint.generators.velocity_unet import VelocityConfig, VelocityUNet
from labelmint.objectives.velocity import VelocityObjective
from labelmint.systems.sections import Sections, SeesPool
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_multiples
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Learning, Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "FlowSection", "FlowSections", "flow"]

_BETAS, _CLIP = (0.9, 0.99), 1.0


class FlowTraining(SeesPool, Learning):
    """How a flow is trained."""

    steps: int = Field(6000, ge=1, description="iterations")
    batch_size: int = Field(16, ge=1)
    time_weight: float = Field(
        3.0, gt=0, description="how much more often than uniform times are those at pure noise"
    )
    hidden: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="share of the items whose layout is hidden; guidance needs it, or images without labels",
    )
    half_life: float = Field(
        0.05, ge=0, lt=1, description="of the average of the weights, a share of the steps done"
    )
    share: float = Field(1.0, gt=0, description="of a time budget, relative to the other parts")


class FlowSection(VelocityConfig, FlowTraining):
    """The velocity network: sizes and training."""


class FlowSections(Sections):
    """Settings of flow."""

    generator: FlowSection = FlowSection()


def flow(settings: FlowSections, facts: Facts) -> Wired:
    """One network, one stage."""
    section = settings.generator
    check_multiples(facts.size, section.multiple, "the network")
    network = VelocityUNet(section, facts.image_channels, facts.symbols)
    without = section.hidden > 0 or (facts.pool > 0 and section.unlabelled > 0)
    images = FlowImages(network, facts.image_channels, facts.size, learned_without=without)
    objective = VelocityObjective(section.time_weight, section.hidden)
    regime = Minimize(
        section, objective, section.half_life, clip=_CLIP, betas=_BETAS, unlabelled=section.unlabelled
    )
    seen = LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),), images=OneNetwork(images, seen)
    )


def tiny() -> FlowSections:
    """For minutes on 2 cores."""
    return FlowSections(generator=FlowSection(widths=(64, 96), steps=3000, batch_size=32))


def small() -> FlowSections:
    """For about an hour on 2 cores."""
    return FlowSections(generator=FlowSection(widths=(64, 96, 128)))


SYSTEMS = (
    System(
        name="flow",
        source="labelmint, after Rectified flow (2022)",
        layout_source=GIVEN,
        image_generator="rectified flow in pixel space given the layout",
        sections=FlowSections,
        wire=flow,
        presets={"tiny": tiny, "small": small},
        from_pool=True,
    ),
)

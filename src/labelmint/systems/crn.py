"""CRN and CIMLE: a cascaded refinement network that learns by a distance alone, and the same with noise, by conditional
IMLE.

    crn:    L = d(x, G(s))
    cimle:  L = mean over j of min over k of d(x_j, G(s_j, z_jk)),    G begins as that of crn;  s is given

Both have one distance, whose layers weigh alike (`objectives.layered`): VGG-19's where `vgg` names its file, else that
of structure. No discriminator learns. Published with `--rebalance appearance`, for cimle.

References:
    Photographic Image Synthesis with Cascaded Refinement Networks (Chen & Koltun, 2017),
    https://arxiv.org/abs/1707.09405
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019),
    https://arxiv.org/abs/1811.12373
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from labelmint.generators.crn import CRNConfig, CRNGenerator, NoiseConfig
from labelmint.generators.network import OneNetwork
from labelmint.objectives.layered import LayeredObjective, layers_of
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import check_least, check_multiples
from labelmint.training.imle import IMLE, IMLELearning
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Learning, Stage
from labelmint.types import LayoutBatch

__all__ = ["SYSTEMS", "CIMLESections", "CRNSection", "CRNSections", "IMLESection", "cimle", "crn"]

_HALF_LIFE = Field(
    0.0, ge=0, lt=1, description="of the average of the weights, a share of the steps done; 0: the last"
)


class CRNTraining(Learning):
    """How CRN is trained; the defaults are those published, at a batch of one."""

    batch_size: int = Field(1, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    vgg: str = Field("", description="file with the state dict of a VGG-19, for the distance of both stages")
    half_life: float = _HALF_LIFE
    share: float = Field(1.0, gt=0, description="of a time budget, relative to the other parts")


class CRNSection(CRNConfig, CRNTraining):
    """The network without noise: sizes and training."""


class IMLESection(NoiseConfig, IMLELearning):
    """The network with noise: what it has beside the other, and its training."""

    batch_size: int = Field(1, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    half_life: float = _HALF_LIFE
    share: float = Field(2.0, gt=0, description="of a time budget, relative to the other parts")


class CRNSections(Sections):
    """Settings of crn."""

    generator: CRNSection = CRNSection()


class CIMLESections(Sections):
    """Settings of cimle."""

    crn: CRNSection = CRNSection()
    generator: IMLESection = IMLESection()


def crn(settings: CRNSections, facts: Facts) -> Wired:
    """One network, one stage."""
    stage, network = _crn(settings.generator, facts, "generator")
    return Wired(stages=(stage,), images=OneNetwork(network, _seen(facts)))


def cimle(settings: CIMLESections, facts: Facts) -> Wired:
    """The network without noise, then that with noise, which begins as the first."""
    first, before = _crn(settings.crn, facts, "crn")
    section, layers = settings.generator, len(before.balance)
    network = CRNGenerator(settings.crn, facts.symbols, facts.image_channels, facts.size, layers, section)

    def begin_from(module: nn.Module) -> None:
        assert isinstance(module, CRNGenerator)
        module.begin_from(before)

    objective = LayeredObjective(network.noise, settings.crn.vgg)
    regime = IMLE(section, objective, section.half_life, begin_from)
    stages = (first, Stage(name="generator", module=network, regime=regime))
    return Wired(stages=stages, images=OneNetwork(network, _seen(facts)))


def _crn(section: CRNSection, facts: Facts, name: str) -> tuple[Stage, CRNGenerator]:
    check_multiples(facts.size, section.multiple, "the network")
    check_least(facts.size, 16 if section.vgg else 5, "its distance")
    layers = layers_of(section.vgg, facts.size)
    network = CRNGenerator(section, facts.symbols, facts.image_channels, facts.size, layers)
    objective = LayeredObjective(network.noise, section.vgg)
    return Stage(name=name, module=network, regime=Minimize(section, objective, section.half_life)), network


def _seen(facts: Facts) -> LayoutBatch:
    return LayoutBatch(torch.zeros(1, *facts.size, dtype=torch.uint8))


_ON_A_CPU: dict[str, Any] = {"steps": 6000, "batch_size": 8, "learning_rate": 1e-3}
_ROUNDS: dict[str, Any] = {"round_steps": 500, "round_layouts": 200}
_TINY: dict[str, Any] = {"channels": 64, "doublings": 3}
_SMALL: dict[str, Any] = {"channels": 128, "doublings": 4}


def tiny() -> CRNSections:
    """For minutes on 2 cores."""
    return CRNSections(generator=CRNSection(**_TINY, **_ON_A_CPU, half_life=0.05))


def small() -> CRNSections:
    """For about an hour on 2 cores."""
    return CRNSections(generator=CRNSection(**_SMALL, **_ON_A_CPU, half_life=0.05))


def published() -> CRNSections:
    """The published sizes for GTA-5 at 256x512 pixels: 12,403 images, 100 epochs."""
    return CRNSections(generator=CRNSection(steps=1_240_300, evaluate_every=1000))


def tiny_cimle() -> CIMLESections:
    """For minutes on 2 cores."""
    return CIMLESections(
        crn=CRNSection(**_TINY, **_ON_A_CPU | {"steps": 3000}),
        generator=IMLESection(noise_hidden=16, **_ON_A_CPU, **_ROUNDS),
    )


def small_cimle() -> CIMLESections:
    """For about an hour on 2 cores."""
    return CIMLESections(
        crn=CRNSection(**_SMALL, **_ON_A_CPU | {"steps": 3000}),
        generator=IMLESection(noise_hidden=32, **_ON_A_CPU, **_ROUNDS),
    )


def published_cimle() -> CIMLESections:
    """The published settings for GTA-5 at 256x512 pixels: 16 rounds of 400 layouts and 10,000 steps."""
    first = CRNSection(outputs=9, steps=1_240_300, evaluate_every=1000)
    return CIMLESections(crn=first, generator=IMLESection(steps=160_000, evaluate_every=1000))


SYSTEMS = (
    System(
        name="crn",
        source="Photographic Image Synthesis with Cascaded Refinement Networks (2017)",
        layout_source=GIVEN,
        image_generator="cascaded refinement network, by a distance alone",
        sections=CRNSections,
        wire=crn,
        presets={"tiny": tiny, "small": small, "gta5-256x512": published},
    ),
    System(
        name="cimle",
        source="Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (2019)",
        layout_source=GIVEN,
        image_generator="cascaded refinement network with noise, by conditional IMLE",
        sections=CIMLESections,
        wire=cimle,
        presets={"tiny": tiny_cimle, "small": small_cimle, "gta5-256x512": published_cimle},
    ),
)

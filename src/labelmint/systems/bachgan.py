"""BachGAN: images of salient boxes alone, whose backgrounds come from layouts of the training set.

    L_G = hinge L_G(D(b, G)) + 10 L_FM + 10 d(x, G) [+ 0.05 KL],    G = SPADE(fused(b, backgrounds of m = 3 layouts), z)

b are boxes, filled; d as in `systems.spade`. `bachgan-wgan` has the Wasserstein loss in place of the hinge loss, as the
seed report proposes: a critic without spectral norm or statistics over the batch, a penalty on its gradients, and 5 of
its steps for one of the generator. With `generator.retrieved=0` both are told boxes alone.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (Li et al., 2020)
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import Field
from torch import nn

from labelmint.generators.apart import ApartGenerator
from labelmint.generators.backgrounds import BachConfig, BachGenerator
from labelmint.generators.network import OneNetwork
from labelmint.layouts.boxes import BoxRule, BoxSettings
from labelmint.nn.initial import begin_xavier
from labelmint.nn.patch import MultiScaleDiscriminator
from labelmint.objectives.adversarial import HINGE, WASSERSTEIN
from labelmint.objectives.likeness import LikenessObjective
from labelmint.systems.sections import Sections
from labelmint.systems.spade import ON_A_CPU, SpadeTraining, styled_objective
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import blank_boxes, box_rule, check_coarsest, check_multiples, least_at_once
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.regime import Stage

__all__ = [
    "SYSTEMS",
    "BachGANSection",
    "BachGANSections",
    "WassersteinSection",
    "WassersteinSections",
    "boxes_seen",
    "hinge",
    "presets_of",
    "wired",
]


class BachGANSection(BachConfig, BoxSettings, SpadeTraining):
    """The generator: boxes, sizes and training."""


class BachGANSections(Sections):
    """Settings of bachgan."""

    generator: BachGANSection = BachGANSection()


class WassersteinSection(BachGANSection):
    """The generator against a critic."""

    discriminator_updates: int = Field(5, ge=1, description="steps of the critic for each of the generator")
    penalty: float = Field(10.0, gt=0, description="weight of the penalty on the critic's gradients")


class WassersteinSections(Sections):
    """Settings of bachgan-wgan."""

    generator: WassersteinSection = WassersteinSection()


def bachgan(settings: BachGANSections, facts: Facts) -> Wired:
    """One network that sees boxes and retrieves, one stage, discriminators of several sizes that see boxes."""
    section = settings.generator
    return _wired(section, facts, hinge(section, facts))


def hinge(section: BachGANSection, facts: Facts) -> Against:
    """Against discriminators of several sizes that see boxes."""
    return Against(
        discriminator=lambda: _discriminator(section, facts, spectral=True),
        loss=HINGE,
        rate=section.discriminator_rate,
        betas=(0.0, 0.999),
        matching=section.matching * (section.discriminator_layers + 1),
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )


def wasserstein(settings: WassersteinSections, facts: Facts) -> Wired:
    """The same against a critic."""
    section = settings.generator
    against = Against(
        discriminator=lambda: _discriminator(section, facts, spectral=False),
        loss=WASSERSTEIN,
        rate=section.discriminator_rate,
        betas=(0.0, 0.9),
        matching=section.matching * (section.discriminator_layers + 1),
        penalty="gradient",
        penalty_weight=section.penalty,
        updates=section.discriminator_updates,
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    return _wired(section, facts, against)


def _wired(section: BachGANSection, facts: Facts, against: Against) -> Wired:
    rule, class_of = boxes_seen(section, facts)
    network = BachGenerator(section, rule, class_of, facts.image_channels, facts.size)
    return wired(section, facts, network, styled_objective(section, network.noise, section.code), against)


def boxes_seen(section: BachGANSection, facts: Facts, share: int = 1) -> tuple[BoxRule, Sequence[int]]:
    """Which boxes stand for a layout, and the class of each symbol; raises InputError for sizes that do not fit.

    Arguments:
        share: one in how many items goes through the network by itself.
    """
    check_multiples(facts.size, section.multiple, "the network")
    check_coarsest(facts.size, section.doublings, section.norm, least_at_once(section, share))
    section.check_discriminated(facts.size)
    return box_rule(facts, section.most_boxes), facts.kinds or range(facts.symbols)


def wired(
    section: BachGANSection,
    facts: Facts,
    network: BachGenerator | ApartGenerator,
    objective: LikenessObjective,
    against: Against,
) -> Wired:
    """One network that sees boxes and retrieves, one stage."""
    regime = Adversarial(section, objective, against, section.half_life, see=network.seen)
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),),
        images=OneNetwork(network, blank_boxes(network.rule, facts.size)),
        see=network.rule.see,
    )


def _discriminator(section: BachGANSection, facts: Facts, spectral: bool) -> nn.Module:
    """Of the boxes, filled. A critic has norms with learned scales, in groups of an item's channels."""
    made = MultiScaleDiscriminator(
        facts.image_channels,
        section.discriminator_channels,
        section.discriminator_layers,
        section.discriminator_scales,
        symbols=facts.symbols + 1,
        layout_channels=section.layout_channels,
        norm="instance" if spectral else "group",
        spectral=spectral,
    )
    return begin_xavier(made) if spectral else made


_TINY: dict[str, Any] = {
    "channels": 8,
    "widest": 8,
    "doublings": 3,
    "hidden": 16,
    "code": 16,
    "discriminator_channels": 16,
}
_SMALL: dict[str, Any] = {
    "channels": 16,
    "widest": 8,
    "doublings": 4,
    "hidden": 32,
    "code": 32,
    "discriminator_channels": 32,
}
# A channel a class, as the published fusion has it. ADE20K: 150 epochs of 20,210 images; Cityscapes: 60 of 2,975.
_ADE20K: dict[str, Any] = {"code": 0, "layout_channels": 151, "steps": 94_700, "evaluate_every": 1000}
_CITYSCAPES: dict[str, Any] = {
    "code": 0,
    "layout_channels": 36,
    "doublings": 6,
    "one_a_size": True,
    "batch_size": 16,
    "steps": 11_200,
    "evaluate_every": 1000,
}


_T = TypeVar("_T", bound=Sections)


def presets_of(
    sections: type[_T],
    section: type[BachGANSection],
    tiny: Mapping[str, Any] = MappingProxyType({}),
    small: Mapping[str, Any] = MappingProxyType({}),
    published: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Callable[[], _T]]:
    """The presets of a system of these sections: `tiny` for minutes on 2 cores, `small` for about an hour, and the
    published sizes for ADE20K at 256x256 and Cityscapes at 256x512 pixels.

    Arguments:
        tiny, small, published: what is its own in these.
    """
    rows: dict[str, dict[str, Any]] = {
        "tiny": {**_TINY, **ON_A_CPU, **tiny},
        "small": {**_SMALL, **ON_A_CPU, **small},
        "ade20k-256": {**_ADE20K, **published},
        "cityscapes-256x512": {**_CITYSCAPES, **published},
    }
    return {name: partial(_row, sections, section, values) for name, values in rows.items()}


def _row(sections: type[_T], section: type[BachGANSection], values: Mapping[str, Any]) -> _T:
    return sections.model_validate({"generator": section(**values)})


SYSTEMS = (
    System(
        name="bachgan",
        source="BachGAN: High-Resolution Image Synthesis from Salient Object Layout (2020)",
        layout_source=GIVEN,
        image_generator="backgrounds retrieved by the boxes of a layout, fused, then a SPADE generator",
        sections=BachGANSections,
        wire=bachgan,
        presets=presets_of(BachGANSections, BachGANSection),
    ),
    System(
        name="bachgan-wgan",
        source="BachGAN: High-Resolution Image Synthesis from Salient Object Layout (a report, 2020): its proposal",
        layout_source=GIVEN,
        image_generator="the same against a Wasserstein critic with a penalty on its gradients",
        sections=WassersteinSections,
        wire=wasserstein,
        # Two steps of the critic, for the sake of time.
        presets=presets_of(WassersteinSections, WassersteinSection, tiny={"discriminator_updates": 2}),
    ),
)

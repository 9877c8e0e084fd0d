"""obj-cGAN: a global path and an object path over boxes, against a discriminator that looks at each box, too.

    L_G = vanilla L_G(D(x', s)) [+ c |x - x'|],    x' = G(s, z),    s boxes and their classes, given
    L_D = (vanilla L_D(D(x, s), D(x', s)) + vanilla L_D(D(x, s), D(x, s~))) / 2,    s~ the classes of the next item

Without textual descriptions, as MSGNet compares with it. A label is one of the classes, or, where the names of classes
are made of words ("red cube"), the words that are in its name.

References:
    Generating Multiple Objects at Spatially Distinct Locations (Hinz et al., 2019), https://arxiv.org/abs/1901.00686
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.generators.network import OneNetwork
from labelmint.generators.object_pathway import ObjectPathwayConfig, ObjectPathwayGenerator
from labelmint.layouts.boxes import BoxSettings
from labelmint.nn.initial import begin_normal
from labelmint.nn.object_discriminator import ObjectDiscriminator
from labelmint.nn.objects import told_wrong
from labelmint.objectives.adversarial import VANILLA
from labelmint.objectives.likeness import LikenessObjective
from labelmint.systems.adversary import RivalTraining
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired
from labelmint.systems.wiring import blank_boxes, box_rule, check_multiples, least_at_once
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.differentiable import FEW_IMAGES
from labelmint.training.regime import Stage

__all__ = ["SYSTEMS", "ObjCGANSection", "ObjCGANSections", "label_rows", "obj_cgan"]

_ONE_PLACE = 32  # pixels a side of which the layout encoder leaves one


class ObjCGANTraining(RivalTraining):
    """How obj-cGAN is trained; the defaults are those published."""

    batch_size: int = Field(128, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    label_words: bool = Field(
        False, description="whether each word of a class's name is a label of its own, as in red cube"
    )
    l1: float = Field(0.0, ge=0, description="weight of the absolute error, which no published setting has")
    discriminator_channels: int = Field(48, ge=8, multiple_of=8)


class ObjCGANSection(ObjectPathwayConfig, BoxSettings, ObjCGANTraining):
    """The generator: boxes, sizes and training."""


class ObjCGANSections(Sections):
    """Settings of obj-cgan."""

    generator: ObjCGANSection = ObjCGANSection()


def label_rows(first: Mapping[int, int], names: Sequence[str], words: bool) -> Tensor:
    """(S, L), 1 where a symbol has a label and 0 elsewhere: its class, or the words of its class's name; of symbols
    without boxes there are none.
    """
    told = {k: names[k].split() if words else [names[k]] for k in sorted(first)}
    known = list(dict.fromkeys(label for labels in told.values() for label in labels))
    rows = torch.zeros(len(names), len(known))
    for k, labels in told.items():
        for label in labels:
            rows[k, known.index(label)] = 1.0
    return rows


def obj_cgan(settings: ObjCGANSections, facts: Facts) -> Wired:
    """One network that sees boxes, one stage, one discriminator that sees them as well."""
    section, size = settings.generator, facts.size
    check_multiples(size, section.multiple, "the network")
    if section.norm == "batch" and max(size) <= _ONE_PLACE and least_at_once(section) == 1:
        raise InputError(
            f"--set generator.norm=batch: of images of {size[0]}x{size[1]} the layout encoder leaves one place, which "
            f"can't be normalized over one item at once; take generator.norm=group, more items, or larger images"
        )
    rule = box_rule(facts, section.most_boxes)
    labels = label_rows(rule.first, facts.names or list(map(str, range(facts.symbols))), section.label_words)
    network = ObjectPathwayGenerator(section, labels, facts.image_channels, size)

    def discriminator() -> nn.Module:
        return begin_normal(
            ObjectDiscriminator(facts.image_channels, section.discriminator_channels, labels, size)
        )

    against = Against(
        discriminator=discriminator,
        loss=VANILLA,
        rate=section.discriminator_rate,
        wrong=told_wrong,
        augment_below=section.augment_below,
        unknown=facts.symbols,
    )
    regime = Adversarial(
        section, LikenessObjective(network.noise, absolute=section.l1), against, section.half_life
    )
    return Wired(
        stages=(Stage(name="generator", module=network, regime=regime),),
        images=OneNetwork(network, blank_boxes(rule, size)),
        see=rule.see,
    )


_ON_A_CPU: dict[str, Any] = {
    "steps": 6000,
    "batch_size": 16,
    "layout_channels": 64,
    "norm": "group",
    "output": "linear",
    "half_life": 0.05,
    "augment_below": FEW_IMAGES,
    "l1": 10.0,
}
# 20 epochs of 50,000 images, and 40 of 25,000
_PUBLISHED: dict[str, Any] = {"steps": 7813, "evaluate_every": 1000}


def tiny() -> ObjCGANSections:
    """For minutes on 2 cores."""
    return ObjCGANSections(generator=ObjCGANSection(channels=128, discriminator_channels=16, **_ON_A_CPU))


def small() -> ObjCGANSections:
    """For about an hour on 2 cores."""
    return ObjCGANSections(generator=ObjCGANSection(channels=256, discriminator_channels=32, **_ON_A_CPU))


def multi_mnist() -> ObjCGANSections:
    """The published settings for three digits at 64x64 pixels."""
    return ObjCGANSections(
        generator=ObjCGANSection(
            channels=1024, label_channels=0, layout_channels=128, discriminator_channels=64, **_PUBLISHED
        )
    )


def clevr() -> ObjCGANSections:
    """The published settings for CLEVR at 64x64 pixels: a label is a shape and a color."""
    return ObjCGANSections(generator=ObjCGANSection(label_words=True, **_PUBLISHED))


def clevr_classes() -> ObjCGANSections:
    """Sizes for CLEVR with each shape in each color as a class of its own, as MSGNet has them."""
    return ObjCGANSections(generator=ObjCGANSection(**_PUBLISHED))


SYSTEMS = (
    System(
        name="obj-cgan",
        source="Generating Multiple Objects at Spatially Distinct Locations (2019)",
        layout_source=GIVEN,
        image_generator="global path and object path over the boxes of a layout, against a discriminator with the same",
        sections=ObjCGANSections,
        wire=obj_cgan,
        presets={
            "tiny": tiny,
            "small": small,
            "multi-mnist-64": multi_mnist,
            "clevr-64": clevr,
            "clevr-64-classes": clevr_classes,
        },
    ),
)

"""`transfer`, labelmint's own: a labelled pair, its look and its shape moved toward images without labels.

    s = s_p(g),  x = look(x_p(g), y_q);    p: a labelled pair, g: toward an image t, y_q: another image

Nothing is learned: the run holds the pairs, the images, and the moves between them. Labels are as exact as the warp.

References:
    Data augmentation using learned transformations for one-shot medical image segmentation (Zhao et al., 2019),
    https://arxiv.org/abs/1902.09383
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labelmint.errors import InputError
from labelmint.generators.transferred import TransferredImages
from labelmint.layouts.moved import MovedLayouts
from labelmint.layouts.pair_memory import PairMemory
from labelmint.nn.free_form import FreeForm
from labelmint.systems.sections import Sections
from labelmint.systems.system import Facts, System, Wired
from labelmint.training.regime import Stage
from labelmint.training.remember import Remember, Remembering

__all__ = ["SYSTEMS", "TransferSection", "TransferSections", "transfer"]


class TransferSection(Remembering):
    """How looks and shapes are moved."""

    look: Literal["auto", "histogram", "residual", "reinhard", "none"] = Field(
        "auto",
        description="how looks are moved: histogram (levels), residual (brightness at a large scale), reinhard (mean "
        "and spread of each channel), none; auto decides by the data",
    )
    spacing: float = Field(
        0.3, gt=0, le=1, description="between the control points of a warp, a share of the shorter side"
    )


class TransferSections(Sections):
    """Settings of transfer."""

    generator: TransferSection = TransferSection()


def transfer(settings: TransferSections, facts: Facts) -> Wired:
    """One memory, which layouts and images are taken from."""
    section = settings.generator
    if section.shape == "warp" and facts.crop:
        raise InputError(
            "--set generator.shape=warp: whole images are warped, not crops; leave out --crop, or take zoom"
        )
    form = FreeForm(facts.size, max(section.spacing * min(facts.size), 2))
    memory = PairMemory()
    return Wired(
        stages=(Stage(name="generator", module=memory, regime=Remember(section, form, facts.crop)),),
        images=TransferredImages(memory, facts.size, facts.image_channels, section.look),
        layouts=MovedLayouts(memory, facts.size, form),
    )


def usual() -> TransferSections:
    """For seconds on 2 cores."""
    return TransferSections()


SYSTEMS = (
    System(
        name="transfer",
        source="labelmint",
        layout_source="a labelled pair, its shape moved toward other images",
        image_generator="the same pair, its look taken from another image",
        sections=TransferSections,
        wire=transfer,
        presets={"tiny": usual, "small": usual},
        of_pairs=True,
        from_pool=True,
    ),
)

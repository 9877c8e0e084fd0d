"""BachGAN with foreground and background apart: each has a code, an image encoder and blocks of its own.

    L_G = hinge L_G(D(b, G)) + 10 L_FM + 10 d(x, G) + 0.05 (KL_f + KL_b) + 10 (L_out + L_in)

b are boxes, filled; d as in `systems.spade`; L_out and L_in are what another code of the foreground changes outside all
boxes, and another code of the background within objects (`objectives.disentangled`). A quarter of the images have codes
of chance, or of other images where styles are fitted, which the discriminators alone judge. New pairs draw both codes
from streams of their own, `foreground` and `background`.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (a report, 2020): Section 4 and Figure 1
"""

from __future__ import annotations

from pydantic import Field

from labelmint.generators.apart import ApartConfig, ApartGenerator
from labelmint.objectives.disentangled import DisentangledObjective
from labelmint.systems.bachgan import BachGANSection, boxes_seen, hinge, presets_of, wired
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, Facts, System, Wired

__all__ = ["SYSTEMS", "ApartSection", "ApartSections", "apart"]


class ApartSection(ApartConfig, BachGANSection):
    """The generator: sizes, boxes and training."""

    apart: float = Field(
        10.0, ge=0, description="weight of what a code that is drawn anew changes on the other's side"
    )


class ApartSections(Sections):
    """Settings of bachgan-apart."""

    generator: ApartSection = ApartSection()


def apart(settings: ApartSections, facts: Facts) -> Wired:
    """One network of two branches, one stage, the discriminators of `bachgan`."""
    section = settings.generator
    rule, class_of = boxes_seen(section, facts, share=4)  # a quarter is drawn again
    network = ApartGenerator(section, rule, class_of, facts.image_channels, facts.size)
    objective = DisentangledObjective(
        network.noise,
        absolute=section.l1,
        perceptual=section.perceptual,
        vgg=section.vgg,
        kl=section.kl,
        free=section.free,
        apart=section.apart,
    )
    return wired(section, facts, network, objective, hinge(section, facts))


SYSTEMS = (
    System(
        name="bachgan-apart",
        source="BachGAN: High-Resolution Image Synthesis from Salient Object Layout (a report, 2020): its Figure 1",
        layout_source=GIVEN,
        image_generator="foreground and background of a layout with codes of their own, fused by a matte in the boxes",
        sections=ApartSections,
        wire=apart,
        # Sizes as published for BachGAN, whose own settings have no codes.
        presets=presets_of(
            ApartSections,
            ApartSection,
            tiny={"object_code": 8},
            small={"object_code": 16},
            published={"code": 256},
        ),
    ),
)

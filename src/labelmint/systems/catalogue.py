"""All systems, and the presets that give their sizes."""

from __future__ import annotations

from typing import Any, NamedTuple

from labelmint.errors import InputError, named
from labelmint.systems import (
    bachgan,
    bachgan_apart,
    bicyclegan,
    biggan,
    boxes,
    crn,
    flow,
    layout2im,
    mint,
    msgnet,
    msgnet_vq2,
    obj_cgan,
    pix2pix,
    pix2pixhd,
    rdn,
    spade,
    svq,
    transfer,
)
from labelmint.systems.sections import Sections
from labelmint.systems.system import GIVEN, System

__all__ = [
    "PRESETS",
    "SYSTEMS",
    "Preset",
    "catalogue",
    "check_mints",
    "drawing_layouts",
    "learning_from_images",
    "learning_from_pools",
    "learns_from_images",
    "settings_of",
    "upscaling_systems",
]

_FAMILIES = (
    msgnet,
    msgnet_vq2,
    svq,
    mint,
    pix2pix,
    pix2pixhd,
    bicyclegan,
    spade,
    obj_cgan,
    layout2im,
    bachgan,
    bachgan_apart,
    biggan,
    boxes,
    crn,
    flow,
    transfer,
    rdn,
)
SYSTEMS: dict[str, System] = {system.name: system for family in _FAMILIES for system in family.SYSTEMS}


class Preset(NamedTuple):
    """Name, default image size (H, W), what it is for, and the system that is trained unless another is asked
    for. The systems own the settings.
    """

    name: str
    size: tuple[int, int]
    purpose: str
    system: str = "msgnet"

    @property
    def systems(self) -> list[str]:
        """The systems that have such a preset."""
        return [system.name for system in SYSTEMS.values() if self.name in system.presets]


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("tiny", (32, 32), "minutes on 2 cores, 32x32 pixels", "mint"),
        Preset("small", (64, 64), "about an hour on 2 cores, 64x64 or 96x96 pixels", "mint"),
        Preset("clevr-64", (64, 64), "MSGNet's CLEVR of 2 to 4 objects; a GPU"),
        Preset("clevr-64-classes", (64, 64), "obj-cGAN's CLEVR with MSGNet's 24 classes; a GPU", "obj-cgan"),
        Preset("clevr-192", (192, 192), "MSGNet's CLEVR of 1 or 2 objects; a GPU"),
        Preset("malaria", (96, 96), "MSGNet's malaria patches; a GPU"),
        Preset("brats", (240, 240), "MSGNet's brain slices; a large GPU"),
        Preset("multi-mnist-64", (64, 64), "MSGNet's three digits; a GPU"),
        Preset(
            "cityscapes-128x256",
            (128, 256),
            "MSGNet's street scenes, no layout prior; a large GPU",
            "pre-msgnet",
        ),
        Preset("pix2pix-256", (256, 256), "pix2pix's facades; a GPU", "pix2pix"),
        Preset(
            "pix2pixhd-512x1024",
            (512, 1024),
            "pix2pixHD's street scenes, global part; a large GPU",
            "pix2pixhd",
        ),
        Preset("pix2pixhd-1024x2048", (1024, 2048), "pix2pixHD's street scenes; a large GPU", "pix2pixhd"),
        Preset("bicyclegan-256", (256, 256), "BicycleGAN's facades; a GPU", "bicyclegan"),
        Preset("spade-256", (256, 256), "SPADE's scenes; a large GPU", "spade"),
        Preset("cityscapes-256x512", (256, 512), "SPADE's and BachGAN's street scenes; a large GPU", "spade"),
        Preset("ade20k-256", (256, 256), "BachGAN's scenes; a large GPU", "bachgan"),
        Preset("coco-64", (64, 64), "Layout2Im's COCO-Stuff and Visual Genome; a GPU", "layout2im"),
        Preset("gta5-256x512", (256, 512), "CRN's and CIMLE's scenes of a game; a large GPU", "cimle"),
        Preset("biggan-128", (128, 128), "BigGAN's images without layouts; a large GPU", "biggan"),
        Preset("rdn-published", (96, 96), "RDN's photographs, crops of 96x96 pixels by 2; a GPU", "rdn"),
        Preset("rdn-x2", (96, 96), "RDN of 20 blocks of 6 layers, by 2; a GPU", "rdn"),
        Preset("svq-256", (256, 256), "the coupled VQ-model's scenes; a large GPU", "svqgan-t"),
    )
}


def settings_of(system: str, preset: str) -> Sections:
    """The settings of a system by a preset; raises InputError for unknown names and a preset that it lacks."""
    owner = named("system", system, SYSTEMS)
    named("preset", preset, PRESETS)
    if preset not in owner.presets:
        raise InputError(
            f"--preset {preset}: has no sizes for {system}; take one of {', '.join(owner.presets)}"
        )
    return owner.presets[preset]()


_FOR_OTHERS = {
    "layouts": "draws layouts alone; give a run of it as --layouts-from to synthesize of a run that draws images",
    "upscaler": "enlarges the images of another run; give a run of it as --upscale to synthesize of that run",
}


def check_mints(system: str, given: object) -> None:
    """Raise InputError unless runs of a system draw images of their own.

    Arguments:
        given: the run, or the option that names the system, for the message.
    """
    role = SYSTEMS[system].role
    if role != "images":
        raise InputError(f"{given}: {system} {_FOR_OTHERS[role]}")


def drawing_layouts() -> list[str]:
    """The systems that draw layouts."""
    return [
        system.name for system in SYSTEMS.values() if system.layout_source != GIVEN and not system.from_images
    ]


def learning_from_images() -> list[str]:
    """The systems that learn to draw images from images without labels."""
    return [system.name for system in SYSTEMS.values() if system.from_images and system.role == "images"]


def learning_from_pools() -> list[str]:
    """The systems that have a use for images without labels beside labelled ones."""
    return [system.name for system in SYSTEMS.values() if system.from_pool]


def upscaling_systems() -> list[str]:
    """The systems that enlarge the images of other runs."""
    return [system.name for system in SYSTEMS.values() if system.role == "upscaler"]


def learns_from_images(system: str | None, preset: str) -> bool:
    """True if the system that these names choose learns from images without labels; False for unknown names."""
    chosen = system or (PRESETS[preset].system if preset in PRESETS else "")
    return chosen in SYSTEMS and SYSTEMS[chosen].from_images


def catalogue() -> list[dict[str, Any]]:
    """One plain dict a system, for people and programs to read."""
    return [
        {
            "name": system.name,
            "role": system.role,
            "source": system.source,
            "layout_source": system.layout_source,
            "image_generator": system.image_generator,
            "presets": [name for name in PRESETS if name in system.presets],
        }
        for system in SYSTEMS.values()
    ]

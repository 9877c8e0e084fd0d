"""All systems: what each is, where it was published, and the function that wires it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labelmint.errors import InputError
from labelmint.systems.config import Settings
from labelmint.systems.msgnet import cvq_vae, msgnet, no_comp_msgnet, pre_msgnet
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.systems.presets import PRESETS
from labelmint.systems.svq import coupled, mint, uncoupled

__all__ = ["SYSTEMS", "System", "catalogue", "system_named"]

_MSGNET = "MSGNet: multi-object semantic generation network (2020/2021)"
_SVQ = "Semantic image synthesis with semantically coupled VQ-model (2022)"
_GIVEN = "layouts of a data set"


@dataclass(frozen=True, kw_only=True)
class System:
    """A composition of a layout source and an image generator.

    `family` says which settings of a preset are for it.
    """

    name: str
    family: str = "msgnet"
    source: str
    layout_source: str
    image_generator: str
    build: Callable[[Settings, Facts], TwoStageParts]


SYSTEMS = {
    system.name: system
    for system in (
        System(
            name="msgnet",
            source=_MSGNET,
            layout_source="LayoutPixelSNAIL over the label map",
            image_generator="PixelSNAIL over the double-path VQ-VAE's tokens",
            build=msgnet,
        ),
        System(
            name="pre-msgnet",
            source=_MSGNET,
            layout_source=_GIVEN,
            image_generator="PixelSNAIL over the double-path VQ-VAE's tokens",
            build=pre_msgnet,
        ),
        System(
            name="no-comp-msgnet",
            source=f"{_MSGNET}, its ablation of the second path",
            layout_source=_GIVEN,
            image_generator="PixelSNAIL over the tokens of a VQ-VAE of one path",
            build=no_comp_msgnet,
        ),
        System(
            name="cvq-vae",
            source=f"{_MSGNET}, its baseline: VQ-VAE (2017) given the layout",
            layout_source=_GIVEN,
            image_generator="PixelSNAIL over the tokens of a VQ-VAE whose encoder and decoder see the layout",
            build=cvq_vae,
        ),
        System(
            name="vqvae-t",
            family="vqvae",
            source=f"{_SVQ}, its baseline",
            layout_source=_GIVEN,
            image_generator="transformer over a VQ-VAE's tokens, given those of a second VQ-VAE for layouts",
            build=uncoupled,
        ),
        System(
            name="vqgan-t",
            family="vqgan",
            source=f"{_SVQ}, its baseline",
            layout_source=_GIVEN,
            image_generator="transformer over a VQGAN's tokens, given those of a VQ-VAE for layouts",
            build=uncoupled,
        ),
        System(
            name="svqvae-t",
            family="vqvae",
            source=_SVQ,
            layout_source=_GIVEN,
            image_generator="transformer over the image tokens of a coupled VQ-VAE, given its semantic "
            "tokens",
            build=coupled,
        ),
        System(
            name="svqgan-t",
            family="vqgan",
            source=_SVQ,
            layout_source=_GIVEN,
            image_generator="transformer over the image tokens of a coupled VQGAN, given its semantic tokens",
            build=coupled,
        ),
        System(
            name="mint",
            family="mint",
            source="labelmint",
            layout_source="prior over a coupled VQ-VAE's semantic tokens, at full resolution",
            image_generator="prior over its image tokens, given the semantic ones",
            build=mint,
        ),
    )
}


def catalogue() -> list[dict[str, Any]]:
    """One plain dict a system, for people and programs to read."""
    return [
        {
            "name": system.name,
            "source": system.source,
            "layout_source": system.layout_source,
            "image_generator": system.image_generator,
            "presets": [name for name, preset in PRESETS.items() if system.family in preset.families],
        }
        for system in SYSTEMS.values()
    ]


def system_named(name: str) -> System:
    """The system of a name; raises InputError naming the nearest."""
    if name not in SYSTEMS:
        near = difflib.get_close_matches(name, SYSTEMS, n=1, cutoff=0.3)
        raise InputError(
            f"there is no system {name!r}; {f'did you mean {near[0]!r}? ' if near else ''}known: "
            f"{', '.join(SYSTEMS)}"
        )
    return SYSTEMS[name]

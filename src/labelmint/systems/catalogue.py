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

__all__ = ["SYSTEMS", "System", "catalogue", "system_named"]

_MSGNET = "MSGNet: multi-object semantic generation network (2020/2021)"


@dataclass(frozen=True, kw_only=True)
class System:
    """A composition of a layout source and an image generator."""

    name: str
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
            layout_source="layouts of a data set",
            image_generator="PixelSNAIL over the double-path VQ-VAE's tokens",
            build=pre_msgnet,
        ),
        System(
            name="no-comp-msgnet",
            source=f"{_MSGNET}, its ablation of the second path",
            layout_source="layouts of a data set",
            image_generator="PixelSNAIL over the tokens of a VQ-VAE of one path",
            build=no_comp_msgnet,
        ),
        System(
            name="cvq-vae",
            source=f"{_MSGNET}, its baseline: VQ-VAE (2017) given the layout",
            layout_source="layouts of a data set",
            image_generator="PixelSNAIL over the tokens of a VQ-VAE whose encoder and decoder see the layout",
            build=cvq_vae,
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
            "presets": list(PRESETS),
        }
        for system in SYSTEMS.values()
    ]


def system_named(name: str) -> System:
    """The system of a name; raises InputError naming the nearest."""
    if name not in SYSTEMS:
        near = difflib.get_close_matches(name, SYSTEMS, n=1, cutoff=0.3)
        raise InputError(
            f"there is no system {name!r}; {f'did you mean {near[0]!r}? ' if near else ''}known: {', '.join(SYSTEMS)}"
        )
    return SYSTEMS[name]

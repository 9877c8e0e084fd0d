"""A trained system in another process: opened again from its run folder, for weights that are laid out for one
processor can't be sent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labelmint.errors import InputError
from labelmint.hardware import computing_with

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["reopened", "told"]


def told(system: TrainedSystem) -> dict[str, Any]:
    """The arguments of `reopened` for a system."""
    layouts, upscaler = system.layouts_from, system.upscaled_by
    return {
        "path": system.path.absolute(),
        "digest": system.digest,
        "device": str(system.device),
        "precision": system.precision.removesuffix("-true"),
        "threads_asked": system.threads_asked,
        "layouts": None if layouts is None else layouts.run,
        "upscaler": None if upscaler is None else upscaler.run,
        "described": None if system.described is None else system.described[:2],
    }


def reopened(
    *,
    path: Path,
    digest: str,
    device: str,
    precision: str,
    threads_asked: bool,
    layouts: TrainedSystem | None,
    upscaler: TrainedSystem | None,
    described: tuple[str, str] | None,
) -> TrainedSystem:
    """The system of a run folder, with the layouts, the upscaler and the description that it had.

    Raises InputError where the run can't be read there, and where it was trained again meanwhile.
    """
    from labelmint.runs.trained import load

    threads = torch.get_num_threads()
    with computing_with(threads):
        system = load(path, device=device, threads=threads, precision=precision)
    if system.digest != digest:
        raise InputError(f"{path}: the run has other weights than when drawing began; start again")
    system.threads_asked = threads_asked
    if layouts is not None:
        system = system.with_layouts_from(layouts)
    if upscaler is not None:
        system = system.with_upscaler(upscaler)
    if described is None:
        return system
    text, synonyms = described
    return system.with_description(text, json.loads(synonyms) if synonyms else None)

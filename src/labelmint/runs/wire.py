"""Wiring the system of a run: its untrained modules, the same for the same seed."""

from __future__ import annotations

import torch

from labelmint.runs.config import Request, RunConfig
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.system import Facts, Wired

__all__ = ["shapes", "wire"]


def wire(config: RunConfig) -> Wired:
    """The system of a configuration, its weights drawn by the seed of the run."""
    request = config.request
    facts = _facts(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        return SYSTEMS[request.system].wire(request.settings, facts)


def _facts(config: RunConfig) -> Facts:
    """What the data of a run decided."""
    classes = sorted({class_id for class_id, _ in config.symbols})
    ground = config.class_set.without_objects
    return Facts(
        config.image_channels,
        config.request.size,
        len(config.symbols),
        crop=config.request.crop,
        pool=config.pool_images,
        names=tuple(config.class_set.name_of(class_id) for class_id, _ in config.symbols),
        boxes=config.boxes,
        class_ids=tuple(class_id for class_id, _ in config.symbols),
        kinds=tuple(classes.index(class_id) for class_id, _ in config.symbols),
        whole=tuple(
            symbol
            for symbol, (class_id, color) in enumerate(config.symbols)
            if (color == 0 if config.has_instances else class_id in ground)
        ),
    )


def shapes(request: Request) -> Wired:
    """The system of a request without weights, before anything is known of the data: what it heeds and needs.

    Raises InputError for a size that does not fit, and for settings that do not go together.
    """
    with torch.device("meta"):
        return SYSTEMS[request.system].wire(request.settings, Facts(1, request.size, 2, crop=request.crop))

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
    names = tuple(config.class_set.name_of(class_id) for class_id, _ in config.symbols)
    facts = Facts(config.image_channels, request.size, len(config.symbols), names, config.boxes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        return SYSTEMS[request.system].wire(request.settings, facts)


def shapes(request: Request) -> Wired:
    """The system of a request without weights, before anything is known of the data: what it heeds and needs.

    Raises InputError for a size that does not fit, and for settings that do not go together.
    """
    with torch.device("meta"):
        return SYSTEMS[request.system].wire(request.settings, Facts(1, request.size, 2))

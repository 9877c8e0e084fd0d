"""Wiring the system of a run: its untrained modules, the same for the same seed."""

from __future__ import annotations

import torch

from labelmint.runs.config import RunConfig
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.system import Facts, Wired

__all__ = ["wire"]


def wire(config: RunConfig) -> Wired:
    """The system of a configuration, its weights drawn by the seed of the run."""
    request = config.request
    facts = Facts(config.image_channels, request.size, len(config.symbols))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        return SYSTEMS[request.system].wire(request.settings, facts)

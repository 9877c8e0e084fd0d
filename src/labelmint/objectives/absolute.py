"""The objective of a generator that is told how its images should look: their absolute error.

L = c |x - G(s, z)|,    z drawn anew for each item
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.network import draw_noise, seeded_noise
from labelmint.objectives.objective import Loss
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import Batch

__all__ = ["AbsoluteObjective"]

_AT_ONCE = 32  # held-out pairs


class AbsoluteObjective:
    """Objective of a `LayoutToImage` without dials.

    Arguments:
        weight: c.
        noise: what the network takes.
    """

    def __init__(self, weight: float, noise: Noise | None) -> None:
        self.weight, self.noise = weight, noise

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Nothing."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The error, and the images that have it."""
        made = network(batch.layouts, draw_noise(self.noise, len(batch), batch.image.device), {})
        error = (made.float() - batch.image).abs().mean()
        return Loss(self.weight * error, error.new_zeros(()), {"error": error.detach()}, made)

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_error", the mean absolute error on [-1, 1] of images drawn by seed."""
        network, count, total = cast(LayoutToImage, module), min(len(pairs), at_most or len(pairs)), 0.0
        for first in range(0, count, _AT_ONCE):
            batch = pairs.fixed(first, min(_AT_ONCE, count - first)).to(device)
            noise = seeded_noise(self.noise, [(0, first + row) for row in range(len(batch))])
            made = network(batch.layouts, noise.to(device) if noise is not None else None, {})
            total += float((made.float() - batch.image).abs().mean()) * len(batch)
        return {"held_out_error": total / count}

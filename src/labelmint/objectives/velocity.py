"""The objective of a flow: the velocity from noise to an image, given its layout or nothing.

L = E |v(x_t, t, s) - (x - n)|^2,    s hidden for a share of the items      (Equation 5 of `generators.flow`)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.flow import interpolate, stratified_times, velocity_loss, warped
from labelmint.generators.velocity_unet import VelocityUNet
from labelmint.objectives.objective import Loss
from labelmint.seeds import normals
from labelmint.types import Batch

__all__ = ["VelocityObjective"]

_AT_ONCE = 32  # held-out pairs


class VelocityObjective:
    """Objective of a velocity network.

    Arguments:
        weight: w > 0, the density of times at pure noise; 1 is uniform.
        hidden: the share of the items whose layout is hidden, so that guidance works.
    """

    def __init__(self, weight: float, hidden: float) -> None:
        self.weight, self.hidden = weight, hidden

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Take the deviation of the training images."""
        cast(VelocityUNet, module).deviation.fill_(pairs.variance**0.5)

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The mean squared error of the velocity; times are stratified over the batch."""
        device, count = batch.image.device, len(batch)
        noise = torch.randn_like(batch.image)
        times = stratified_times(torch.rand(count, device=device), self.weight)
        shown = torch.rand(count, device=device) >= self.hidden
        velocity = network(interpolate(noise, batch.image, times), times, batch.layouts, shown)
        loss = velocity_loss(velocity.float(), noise, batch.image)
        return Loss(loss, loss.new_zeros(()), {"velocity": loss.detach()})

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_velocity", the loss with the layouts shown, at times and noise that stay the same."""
        count, total = min(len(pairs), at_most or len(pairs)), 0.0
        for first in range(0, count, _AT_ONCE):
            batch = pairs.fixed(first, min(_AT_ONCE, count - first)).to(device)
            seeds = [(0, first + row) for row in range(len(batch))]
            noise = normals(seeds, "held out", batch.image.shape[1:]).to(device)
            times = warped((_scattered(first, len(batch)).to(device)), self.weight)
            velocity = module(interpolate(noise, batch.image, times), times, batch.layouts)
            total += float(velocity_loss(velocity.float(), noise, batch.image)) * len(batch)
        return {"held_out_velocity": total / count}


def _scattered(first: int, count: int) -> Tensor:
    """Numbers in (0, 1), evenly scattered whatever the count: multiples of the golden section."""
    return (
        ((torch.arange(first, first + count, dtype=torch.float64) + 0.5) * 0.6180339887498949).frac().float()
    )

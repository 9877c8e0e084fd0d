"""The objective of a flow: the velocity from noise to an image, given its layout or nothing.

L = E |v(x_t, t, s, k) - (x - n)|^2,    s and k hidden for a share of the items     (Equation 5 of `generators.flow`)

s, the layout, is hidden of all images that have no label: of these the network learns p(x), and p(x given k) where it
is told the kind k of their look.

Times are stratified over the batch, in order, which rows in random order allow. Where rows come in turns, with and
without a label, or of one class and the next, times are dealt out at random: each kind of row would else see a part of
them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.flow import interpolate, stratified_times, velocity_loss, warped
from labelmint.generators.velocity_unet import VelocityUNet
from labelmint.objectives.objective import Loss, rows_at_once
from labelmint.seeds import normals
from labelmint.types import Batch, LayoutBatch

__all__ = ["VelocityObjective"]

_AT_ONCE = 32  # held-out pairs


class VelocityObjective:
    """Objective of a velocity network.

    Arguments:
        weight: w > 0, the density of times at pure noise; 1 is uniform.
        hidden: the share of the items whose layout is hidden, so that guidance works.
        unknown: the share of the items whose kind of look is hidden, of a network that is told it.
    """

    def __init__(self, weight: float, hidden: float, unknown: float = 0.1) -> None:
        self.weight, self.hidden, self.unknown = weight, hidden, unknown
        self._in_turns = False  # classes, in the rows of a batch

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Take the deviation of the training images, and the shares of their kinds of look."""
        network = cast(VelocityUNet, module)
        network.deviation.fill_(pairs.variance**0.5)
        self._in_turns = pairs.rarity is not None
        if network.config.styles:
            network.shares.copy_(torch.tensor(pairs.style_shares))

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The mean squared error of the velocity; times are stratified over the batch."""
        device, count = batch.image.device, len(batch)
        noise = torch.randn_like(batch.image)
        times = stratified_times(torch.rand(count, device=device), self.weight)
        shown = torch.rand(count, device=device) >= self.hidden
        in_turns = self._in_turns
        if batch.labelled is not None:
            shown &= batch.labelled
            in_turns |= not bool(batch.labelled.all())
        layouts = self._with_hidden_styles(batch.layouts)
        if in_turns:
            times = times[torch.randperm(count, device=device)]
        velocity = network(interpolate(noise, batch.image, times), times, layouts, shown)
        loss = velocity_loss(velocity.float(), noise, batch.image)
        return Loss(loss, loss.new_zeros(()), {"velocity": loss.detach()})

    def _with_hidden_styles(self, layouts: LayoutBatch) -> LayoutBatch:
        if layouts.styles is None:
            return layouts
        hidden = torch.rand(len(layouts), device=layouts.styles.device) < self.unknown
        return replace(layouts, styles=layouts.styles.masked_fill(hidden, -1))

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_velocity", the loss with the layouts shown, at times and noise that stay the same."""
        count, total = min(len(pairs), at_most or len(pairs)), 0.0
        step = rows_at_once(_AT_ONCE, pairs.geometry.size)
        for first in range(0, count, step):
            batch = pairs.fixed(first, min(step, count - first)).to(device)
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

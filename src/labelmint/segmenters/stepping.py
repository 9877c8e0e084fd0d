"""One step of a segmenter's training, and the moving average of its weights.

average <- d average + (1 - d) weights,   d = min(decay, (1 + n) / (10 + n)) after n steps
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from labelmint.progress import Event
from labelmint.segmenters.training import segmentation_loss
from labelmint.types import Batch

__all__ = ["AddedLoss", "Averaged", "Batches", "Steps", "told", "training_step"]


class Batches(Protocol):
    """Training batches; `Mixture` makes them."""

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step; its layouts hold class indices, -1 where ignored."""


class AddedLoss(Protocol):
    """A loss that is added to that of the labelled pairs; `Consistency` is one."""

    def loss(
        self, network: nn.Module, teacher: nn.Module, step: int, size: int, bfloat16: bool = False
    ) -> Tensor:
        """The loss of a step; the teacher is the moving average of the network."""


class Averaged:
    """The moving average of a network's weights and statistics; with a decay of 0 the network itself.

    Attributes:
        network: the averaged one, on the device of the other.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay, self._count = decay, 0
        self.network = copy.deepcopy(network) if decay else network
        # training and loading change these in place
        every = [*zip(self.network.state_dict().values(), network.state_dict().values(), strict=True)]
        self._floats = [pair for pair in every if pair[0].is_floating_point()]
        self._counts = [pair for pair in every if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of one more step."""
        if not self._decay:
            return
        self._count += 1
        decay = min(self._decay, (1 + self._count) / (10 + self._count))
        kept, live = ([pair[k] for pair in self._floats] for k in (0, 1))
        get_ema_multi_avg_fn(decay)(kept, live, self._count)
        for mine, other in self._counts:
            mine.copy_(other)


@dataclass(frozen=True)
class Steps:
    """The steps of a training, each of which takes in the next batch and then moves the average.

    Arguments:
        network: trained in place. averaged: its moving average.
        size: of the batches. added: a loss that is added to theirs; None for none.
    """

    network: nn.Module
    averaged: Averaged
    optimizer: torch.optim.Optimizer
    batches: Batches
    size: int
    added: AddedLoss | None
    bfloat16: bool

    def take(self, step: int) -> Tensor:
        """Take the step of this number, from 0 on; returns the loss of its batch."""
        also = None
        if self.added is not None:
            teacher = self.averaged.network
            also = partial(self.added.loss, self.network, teacher, step, self.size, self.bfloat16)
        device, batch = next(self.network.parameters()).device, self.batches.batch(step, self.size)
        loss = training_step(self.network, self.optimizer, batch, device, self.bfloat16, also)
        self.averaged.update()
        return loss

    def go_back(self, weights: Mapping[str, Tensor], factor: float) -> None:
        """Give the network and its average the weights, and go on at the learning rate times the factor."""
        for network in (self.network, self.averaged.network):
            network.load_state_dict(weights)
        for group in self.optimizer.param_groups:
            group["lr"] *= factor


def told(
    stage: str, step: int, steps: int, batch_size: int, seconds: float, losses: dict[str, float]
) -> Event:
    """The event of a step, with the speed since the beginning and the time left."""
    return Event(stage, step, steps, step * batch_size / seconds, seconds / step * (steps - step), losses)


def training_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    device: torch.device,
    bfloat16: bool,
    added: Callable[[], Tensor] | None = None,
) -> Tensor:
    """One step in place; returns the loss of its batch. `added` is a loss whose gradient is added."""
    network.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        logits = network(batch.image.to(device, memory_format=torch.channels_last))
    loss = segmentation_loss(logits.float(), batch.layouts.ids.long().to(device))
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    if added is not None:
        torch.autograd.backward(added())
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
    optimizer.step()
    return loss.detach()

"""Training a segmenter until its validation loss falls no more.

    loss = CE + 1 - Dice (`segmenters.training`), on training batches and on all validation pairs at once

The learning rate is constant. When the validation loss has not reached a new best for `patience` looks and 6
epochs, training goes back to the best weights and goes on at a fifth of the rate; then half of the patience
is enough, and the third such plateau is the end, or the end of the least steps, where that comes later. The
weights of the best validation loss are kept. With `average`, the moving average of the weights
(`segmenters.stepping`) is what is validated and kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from labelmint.progress import Report
from labelmint.segmenters.stepping import AddedLoss, Averaged, Batches, Steps, told
from labelmint.segmenters.training import LossCounts, loss_counts
from labelmint.training.clock import stop_on_interrupt
from labelmint.types import Batch

__all__ = ["FALL", "ArmConfig", "Batches", "Plateau", "train_to_plateau", "validation_loss"]

FALL = 0.2  # the learning rate's factor at a plateau
_RATES = 3
_NEW_BEST = 1e-3  # by which a new best must be lower
_EPOCHS = 6
_AT_ONCE = 16


class ArmConfig(BaseModel):
    """Sizes and training of a study's segmenter."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    network: Literal["unet", "dense", "lite0"] = Field(
        "unet", description="a plain U-Net, or one with a DenseNet or EfficientNet-lite0 as encoder"
    )
    depth: Literal["121", "161"] = Field("121", description="of the DenseNet; the papers have 161")
    encoder_weights: Path | None = Field(None, description="of the DenseNet: a local file")
    channels: tuple[int, ...] = Field(
        (16, 32, 64, 128), min_length=2, description="of the U-Net's maps, from full resolution down"
    )
    residual_units: int = Field(2, ge=0, description="of the U-Net")
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    evaluate_every: int = Field(20, ge=1, description="steps between validation losses")
    patience: int = Field(
        25,
        ge=1,
        description="validation losses without a new best before the learning rate falls; half as many after "
        "that",
    )
    most_steps: int = Field(8000, ge=1)

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW at the first learning rate."""
        return torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """How a training went.

    Attributes:
        steps: in all. best_step: whose weights were kept. validation_loss: of these.
        reached: whether the validation loss was at a plateau; False where the limit of steps came first.
        phases: steps at each learning rate, the highest first.
    """

    steps: int
    best_step: int
    validation_loss: float
    reached: bool
    seconds: float
    phases: tuple[int, ...] = ()


def train_to_plateau(
    network: nn.Module,
    batches: Batches,
    validation: Batch,
    config: ArmConfig,
    *,
    least_steps: int,
    epoch: int = 1,
    average: float = 0.0,
    added: AddedLoss | None = None,
    bfloat16: bool,
    report: Report,
    stage: str,
) -> Plateau:
    """Train in place and load the best weights.

    Arguments:
        validation: all validation pairs, images on [-1, 1], as one batch on the CPU.
        least_steps: below which training does not end; the limit of `config.most_steps` gives way to it.
        epoch: steps in which as many real pairs are drawn as there are. stage: the name of its events.
        average: decay of the moving average of the weights that is kept; 0 for the weights themselves.
        added: a loss that is added to that of the batches.
    """
    device, begin = next(network.parameters()).device, time.perf_counter()
    most, epochs = max(config.most_steps, least_steps), _EPOCHS * epoch
    best, best_step, waited, rates, step = math.inf, 0, 0, 1, 0
    kept, phases = _copy(network.state_dict()), [0]
    averaged, optimizer = Averaged(network, average), config.optimizer(network)
    training = Steps(network, averaged, optimizer, batches, config.batch_size, added, bfloat16)
    with stop_on_interrupt() as asked_to_stop:
        while step < most and not (rates > _RATES and step >= least_steps):
            if asked_to_stop():
                raise KeyboardInterrupt
            loss = training.take(step)
            step, phases[-1] = step + 1, phases[-1] + 1
            if step % config.evaluate_every and step != most:
                continue
            held_out = validation_loss(averaged.network, validation, device)
            if held_out < best - _NEW_BEST:
                best, best_step, waited, kept = held_out, step, 0, _copy(averaged.network.state_dict())
            else:
                waited += config.evaluate_every
            patience = config.patience if rates == 1 else math.ceil(config.patience / 2)
            if waited >= max(patience * config.evaluate_every, epochs):
                waited, rates = 0, rates + 1
                phases += [0] * (rates <= _RATES)
                training.go_back(kept, FALL if rates <= _RATES else 1.0)
            spent, losses = time.perf_counter() - begin, {"loss": float(loss), "held_out_loss": best}
            report(replace(told(stage, step, most, config.batch_size, spent, losses), at_most=True))
    network.load_state_dict(kept)
    network.eval()
    return Plateau(
        steps=step,
        best_step=best_step,
        validation_loss=best,
        reached=rates > _RATES,
        seconds=time.perf_counter() - begin,
        phases=tuple(phases),
    )


@torch.no_grad()
def validation_loss(network: nn.Module, validation: Batch, device: torch.device) -> float:
    """The loss of all validation pairs at once: where Dice were taken block by block, a block that lacks a
    class would punish whoever finds it elsewhere.
    """
    network.eval()
    blocks = []
    for first in range(0, len(validation.image), _AT_ONCE):
        image = validation.image[first : first + _AT_ONCE].to(device, memory_format=torch.channels_last)
        labels = validation.layouts.ids[first : first + _AT_ONCE].long().to(device)
        blocks.append(loss_counts(network(image).float(), labels, torch.float64))
    return float(LossCounts(*(torch.stack(one).sum(dim=0) for one in zip(*blocks, strict=True))).loss)


def _copy(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in weights.items()}

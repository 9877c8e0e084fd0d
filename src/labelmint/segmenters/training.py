"""Training the judge on real pairs: cross-entropy and Dice, the weights that do best on held-out pairs are
kept.

    loss = CE(logits, labels) + 1 - Dice(softmax(logits), labels)       over the pixels that are not ignored

Images are varied in brightness, contrast and noise beside the geometry that the user allows, so that the
judge does not take a slightly smoother or darker image for another class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.metrics.overlap import confusion, dice
from labelmint.progress import Event, Report
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.training.clock import learning_rate, stop_on_interrupt

__all__ = ["IGNORED", "LossCounts", "loss_counts", "segmentation_loss", "train_unet"]

IGNORED = -1  # the label of pixels that count nowhere
_SMOOTH = 1e-5


def train_unet(
    network: UNet,
    training: Pairs,
    validation: Pairs,
    foreground: tuple[int, ...],
    config: SegmenterConfig,
    *,
    bfloat16: bool,
    report: Report,
) -> dict[str, float]:
    """Train in place, load the best weights, and return "held_out_dice" (mean over the foreground classes),
    "best_step" and "steps".

    Arguments:
        training, validation: real pairs; their symbol maps hold class indices 0..K-1, and IGNORED.
        foreground: class indices that the held-out figure is a mean over.
    """
    if not any(np.isin(ids, foreground).any() for ids in validation.ids):
        raise InputError(
            "the judge can't be validated: no foreground class occurs in the validation pairs; label more "
            "images"
        )
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    rng = torch.Generator().manual_seed(training.seed)
    best, best_step, kept = -math.inf, 0, network.state_dict()
    device = next(network.parameters()).device
    speed = _Speed()
    with stop_on_interrupt() as asked_to_stop:
        for step in range(config.steps):
            if asked_to_stop():
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config.learning_rate, step / config.steps)
            batch = training.batch(step, config.batch_size)
            image = _varied(batch.image, rng).to(device, memory_format=torch.channels_last)
            network.train()
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                logits = network(image)
            loss = segmentation_loss(logits.float(), batch.layouts.ids.long().to(device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
            optimizer.step()
            done = step + 1
            if done % config.evaluate_every == 0 or done == config.steps:
                score = held_out_dice(network, validation, foreground)
                if score > best:
                    best, best_step = score, done
                    kept = {name: value.detach().clone() for name, value in network.state_dict().items()}
            if done % 10 == 0 or done == config.steps:
                losses = {"loss": float(loss.detach())} | ({"held_out_dice": best} if best_step else {})
                report(speed.event(done, config.steps, config.batch_size, losses))
    network.load_state_dict(kept)
    network.eval()
    return {"held_out_dice": best, "best_step": best_step, "steps": config.steps}


class LossCounts(NamedTuple):
    """What the loss is made of; those of parts of a data set add up to those of the whole.

    Attributes:
        surprise: cross-entropy, summed over the pixels that are not ignored. pixels: how many those are.
        hits, sizes: (K,): of each class, the probability that falls on its pixels, and all of it plus the
            number of its pixels.
    """

    surprise: Tensor
    pixels: Tensor
    hits: Tensor
    sizes: Tensor

    @property
    def loss(self) -> Tensor:
        """Cross-entropy plus 1 - soft Dice, mean over the classes; 0 where all pixels are ignored."""
        overlap = (2 * self.hits + _SMOOTH) / (self.sizes + _SMOOTH)
        return (self.surprise / self.pixels + 1 - overlap.mean()) if bool(self.pixels) else self.surprise * 0


def loss_counts(logits: Tensor, labels: Tensor, sums: torch.dtype | None = None) -> LossCounts:
    """Counts of the loss of logits (B, K, H, W) and labels (B, H, W) int64.

    Arguments:
        sums: the precision of sums over pixels; None for that of the logits.
    """
    sums = logits.dtype if sums is None else sums
    # ignored pixels count for the first class, with a weight of 0
    seen, kept = (labels != IGNORED)[:, None].to(logits.dtype), labels.clamp(min=0)[:, None]
    logs, classes = logits.log_softmax(dim=1), logits.shape[1]
    of_label = logs.gather(1, kept)
    hits = (of_label.exp() * seen).flatten().to(sums)
    labelled = torch.bincount((labels - IGNORED).flatten(), minlength=classes + 1)[1:]
    return LossCounts(
        surprise=-(of_label * seen).sum(dtype=sums),
        pixels=labelled.sum(),
        hits=hits.new_zeros(classes).index_add(0, kept.flatten(), hits),
        sizes=(logs.exp() * seen).sum(dim=(0, 2, 3), dtype=sums) + labelled,
    )


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus 1 - soft Dice, mean over the classes, of logits (B, K, H, W) and labels (B, H, W)
    int64.

    Dice is that of the whole batch at once: a class that an image lacks is no mistake there. It is MONAI's
    DiceLoss(batch=True), summed by class without the one-hot labels, which for many classes are larger than
    all else.
    """
    return loss_counts(logits, labels).loss


def _varied(image: Tensor, rng: torch.Generator) -> Tensor:
    """Contrast by up to a fifth, brightness by up to a tenth of the range, and a little noise, differently
    for each image.
    """

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(image), 1, 1, 1, generator=rng)

    noise = torch.randn(image.shape, generator=rng) * draw(0, 0.06)
    return image * draw(0.8, 1.2) + draw(-0.2, 0.2) + noise


@torch.no_grad()
def held_out_dice(network: UNet, pairs: Pairs, foreground: tuple[int, ...], at_most: int = 256) -> float:
    """Mean Dice over the foreground classes that the first pairs hold, in their fixed view; -inf when they
    hold none.
    """
    network.eval()
    device, classes, total = next(network.parameters()).device, 0, None
    for first in range(0, min(len(pairs), at_most), 32):
        batch = pairs.fixed(first, min(32, at_most - first))
        logits = network(batch.image.to(device))
        classes = logits.shape[1]
        counts = confusion(batch.layouts.ids.numpy(), logits.argmax(dim=1).cpu().numpy(), classes).sum(axis=0)
        total = counts if total is None else total + counts
    if total is None:
        return -math.inf
    present = [k for k in foreground if total[k].sum() > 0]
    return float(np.mean(dice(total)[present])) if present else -math.inf


class _Speed:
    """Events with images per second and time left, measured since the start."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        import time

        self._now = now or time.monotonic
        self._begin = self._now()

    def event(self, step: int, steps: int, batch_size: int, losses: dict[str, float]) -> Event:
        spent = max(self._now() - self._begin, 1e-9)
        return Event("judge", step, steps, step * batch_size / spent, spent / step * (steps - step), losses)

"""Objectives: what a network is to make small, on a batch of pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.types import Batch

__all__ = ["Loss", "Objective", "rows_at_once"]

_PIXELS = 128 * 128  # of images of which the most rows go through a network at once


def rows_at_once(most: int, size: tuple[int, int]) -> int:
    """Rows of images (H, W) that go through a network at once without a way back: `most`, or fewer of images that are
    larger than 128x128 pixels, so that they take no more memory than so many of that size.
    """
    return max(min(most, most * _PIXELS // (size[0] * size[1])), 1)


class Loss(NamedTuple):
    """The loss of a batch, in two parts.

    Attributes:
        fidelity: how far an image is from the one that it should be, against which an adversary is weighed.
        others: all else.
        terms: both in their parts, as figures.
        image: (B, C, H, W), the images that were made, for an adversary; None where there are none.
        chance: how many items, the last of them, are drawn with codes of chance, and need not look like the real ones.
    """

    fidelity: Tensor
    others: Tensor
    terms: dict[str, Tensor]
    image: Tensor | None = None
    chance: int = 0


class Objective(Protocol):
    """A loss, what comes before it, and what tells on held-out pairs whether it helped."""

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Prepare, once before the first step: statistics of the training pairs, tables of the module."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The loss, by one forward pass of the network, which may be wrapped for several processes."""

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """Figures of a module in evaluation mode on the first pairs, or on all, named held_out_*."""

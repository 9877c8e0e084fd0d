"""Strided convolutions: how a tokenizer halves and doubles its maps, and how its last map becomes an image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Output", "double", "halve", "widths_of"]

_BEYOND = 0.1


def halve(inputs: int, outputs: int) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, outputs, h / 2, w / 2): convolution k4 s2 p1, normalization within the item,
    LeakyReLU.
    """
    groups = next(groups for groups in (8, 4, 2, 1) if outputs % groups == 0)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.GroupNorm(groups, outputs), nn.LeakyReLU(0.2)
    )


def double(inputs: int, outputs: int, kind: Literal["transposed", "resize"] = "transposed") -> nn.Module:
    """(B, inputs, h, w) -> (B, outputs, 2h, 2w): transposed convolution k4 s2 p1, or nearest neighbors and a
    convolution k3.

    A transposed convolution has weights of its own for odd and even pixels, and shows them as a lattice
    (https://distill.pub/2016/deconv-checkerboard).
    """
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inputs, outputs, 3, padding=1)
    )


def widths_of(channels: int, depth: int) -> list[int]:
    """Channels after each of `depth` halvings: channels / 2^(depth - i) after the i-th, at least 8."""
    return [max(channels >> (depth - i), 8) for i in range(1, depth + 1)]


class Output(nn.Module):
    """Values -> image on [-1, 1]: tanh, or linear and clamped, where in training a tenth of what lies beyond
    counts.

    tanh has no gradient left where a decoder once overshot: beside bright images, dark ones of little
    contrast stay black for ever. Without bounds, black and white grounds would have to be met exactly; on
    digits a tenth comes as near as tanh.
    """

    def __init__(self, kind: Literal["tanh", "linear"]) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if self.kind == "tanh":
            return torch.tanh(x)
        inside = x.clamp(-1, 1)
        return inside + _BEYOND * (x - inside) if self.training else inside

"""Blocks of a U-Net that heeds a time: patches in place of pixels, few norms, changes of size by products.

    time:     e(t) = silu(W_2 silu(W_1 [cos(f_k t), sin(f_k t)]_k)),    f_k from 1 to 256, evenly in log f
    block:    y = x + conv3(silu(conv3(silu(norm(x))) + W e(t)))
    halving:  conv1 of patches of 2 x 2 positions
    doubling: conv1 -> each position four times
    head:     silu(norm(x)) -> conv3 -> patches of p x p pixels

On a CPU a block's time is that of its convolutions plus a pass over memory for every operation between
them. So a block has one norm where others have two, and the time only adds to what the first convolution
found, which the next nonlinearity turns into a choice of features. Norms are within groups of channels of
one item: row r depends on row r alone.

References:
    Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    Deep Residual Learning (He et al., 2016), https://arxiv.org/abs/1512.03385
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import SelfAttention

__all__ = ["Doubling", "Halving", "PatchHead", "TimeFeatures", "TimedBlock", "TimedStack", "group_norm"]

_GROUPS, _LEAST = 8, 4  # the most groups, and the fewest channels of each
_FASTEST = 256.0  # radians a unit of time


def group_norm(channels: int) -> nn.GroupNorm:
    """The norm of all blocks: at most 8 groups, each of at least 4 channels."""
    fitting = (g for g in (_GROUPS, 4, 2) if channels % g == 0 and channels // g >= _LEAST)
    return nn.GroupNorm(next(fitting, 1), channels)


class TimeFeatures(nn.Module):
    """Times (B,) in [0, 1] -> e(t), (B, width).

    Arguments:
        width: an even number.
    """

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        steps = torch.linspace(0, math.log(_FASTEST), width // 2)
        self.register_buffer("frequencies", steps.exp(), persistent=False)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        """Each time by itself."""
        angles = t[:, None] * self.frequencies
        found: Tensor = self.layers(torch.cat([angles.cos(), angles.sin()], dim=1))
        return found


class TimedBlock(nn.Module):
    """Residual block, (B, C, h, w) with e(t) (B, width) -> (B, C, h, w); it begins as the identity.

    Arguments:
        channels: C.
        width: of the time's features.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)  # the time brings the bias
        self.from_time = nn.Linear(width, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Any size."""
        hidden = self.first(functional.silu(self.norm(x))) + self.from_time(time)[:, :, None, None]
        y: Tensor = x + self.second(functional.silu(hidden))
        return y


class TimedStack(nn.Module):
    """Residual blocks, self-attention after the first where wanted, (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, width: int, blocks: int, attention: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TimedBlock(channels, width) for _ in range(blocks))
        self.attention = SelfAttention(channels) if attention else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Attention costs (h w)^2; keep it to small maps."""
        for i, block in enumerate(self.blocks):
            x = block(x, time)
            if i == 0 and self.attention is not None:
                x = self.attention(x)
        return x


class Halving(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h / 2, w / 2), a product of each 2 x 2 positions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, outputs, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """h and w must be even."""
        found: Tensor = self.mix(x)
        return found


class Doubling(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, 2 h, 2 w), by nearest neighbors; blocks that follow look around."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        return functional.interpolate(self.mix(x), scale_factor=2.0, mode="nearest")


class PatchHead(nn.Module):
    """The way out of patches, (B, inputs, h, w) -> (B, outputs, p h, p w); it begins at 0."""

    def __init__(self, inputs: int, outputs: int, patch: int) -> None:
        super().__init__()
        self.patch, self.norm = patch, group_norm(inputs)
        self.out = nn.Conv2d(inputs, outputs * patch**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        return functional.pixel_shuffle(self.out(functional.silu(self.norm(x))), self.patch)

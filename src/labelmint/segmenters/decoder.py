"""The way up of a U-Net whose encoder is a known network of five halvings.

d_5 = f_5,   d_i = CNR(CNR([up(d_i+1), f_i])),   CNR = relu(norm(conv3x3)),  up: nearest
logits = conv1x1(d_0)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HALVINGS", "Decoder", "padded"]

HALVINGS = 5
_CHANNELS = (16, 32, 64, 128, 256)  # of d_0 .. d_4


class Decoder(nn.Module):
    """Maps f_0 .. f_5, at 1, 1/2, ... 1/32 of the size -> logits (B, K, H, W).

    Arguments:
        channels: of f_0 .. f_5. classes: K.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        *skips, above = channels
        stages = []
        for skip, out in zip(reversed(skips), reversed(_CHANNELS), strict=True):
            stages.append(nn.Sequential(*_conv_norm_relu(above + skip, out), *_conv_norm_relu(out, out)))
            above = out
        self.stages, self.head = nn.ModuleList(stages), nn.Conv2d(above, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """From the coarsest map up."""
        *skips, x = maps
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        logits: Tensor = self.head(x)
        return logits


def padded(image: Tensor) -> Tensor:
    """Images with their edges repeated below and to the right, up to multiples of 32 pixels."""
    rows, columns = (-side % 2**HALVINGS for side in image.shape[-2:])
    return functional.pad(image, (0, columns, 0, rows), mode="replicate")


def _conv_norm_relu(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]

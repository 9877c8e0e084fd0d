"""Spatially-adaptive normalization (SPADE): a map is normalized, then scaled and shifted at each pixel by what the
layout says there; and the residual block that is made of it.

    a = relu(conv3(s)),    y = (1 + conv3(a)) norm(x) + conv3(a)                                     (1)
    x -> x' + conv3(lrelu(y2(conv3(lrelu(y1(x)))))),    x' = x, or conv1(y(x)) where widths differ       (2)

s is the layout, embedded and taken at the nearest pixels of the map's size. The norm has no learned scales, which
would be the layout's task: it is within the item, or over the batch as published. The two maps of (1) come from one
convolution.

References:
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291: Equations 1 to 3, appendix A
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.spectral import spectral_norm

__all__ = ["NormKind", "Spade", "SpadeBlock"]

NormKind: TypeAlias = Literal["instance", "batch"]


class Spade(nn.Module):
    """Maps (B, channels, h, w) normalized and modulated by layouts; Equation (1).

    Arguments:
        channels: of the map. seen: of the embedded layout. hidden: of a.
        norm: within the item, or over the batch.
    """

    def __init__(self, channels: int, seen: int, hidden: int, norm: NormKind) -> None:
        super().__init__()
        self.norm = (
            nn.InstanceNorm2d(channels) if norm == "instance" else nn.BatchNorm2d(channels, affine=False)
        )
        self.shared = nn.Conv2d(seen, hidden, 3, padding=1)
        self.modulation = nn.Conv2d(hidden, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Arguments: x: (B, channels, h, w). seen: (B, seen, h, w), the layout at the same size."""
        scale, shift = self.modulation(functional.relu(self.shared(seen), inplace=True)).chunk(2, dim=1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class SpadeBlock(nn.Module):
    """Residual block of two modulated convolutions; Equation (2).

    Arguments:
        inputs, outputs: channels. seen, hidden, norm: of its normalizations.
        spectral: whether the convolutions are divided by their largest singular value.
    """

    def __init__(
        self, inputs: int, outputs: int, seen: int, hidden: int, norm: NormKind, spectral: bool = True
    ) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        normed: Callable[[nn.Conv2d], nn.Module] = spectral_norm if spectral else lambda layer: layer
        self.norms = nn.ModuleList(Spade(width, seen, hidden, norm) for width in (inputs, middle))
        self.convolutions = nn.ModuleList(
            normed(nn.Conv2d(a, b, 3, padding=1)) for a, b in ((inputs, middle), (middle, outputs))
        )
        self.beside = None
        if inputs != outputs:
            self.beside_norm = Spade(inputs, seen, hidden, norm)
            self.beside = normed(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Arguments: x: (B, inputs, h, w). seen: (B, seen, h, w)."""
        straight = x if self.beside is None else self.beside(self.beside_norm(x, seen))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(functional.leaky_relu(norm(x, seen), 0.2, inplace=True))
        return straight + x

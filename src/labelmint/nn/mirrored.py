"""Layers of a U-Net whose halves mirror each other: one halves, one doubles.

    halving:   [LeakyReLU 0.2] -> conv4 stride 2 -> [norm]
    doubling:  ReLU -> transposed conv4 stride 2 -> [norm]

Norms are within the item and channel, with learned scales and shifts. A norm takes a bias away again, so that a
convolution before one has none.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004: appendix 6.1
"""

from __future__ import annotations

from torch import nn

__all__ = ["doubling", "halving", "mirrored_widths"]

_WIDEST = 8  # the widest layer as a multiple of the first


def mirrored_widths(channels: int, downsamplings: int) -> tuple[int, ...]:
    """Channels after each halving: they double up to eight times the first."""
    return tuple(channels * min(1 << i, _WIDEST) for i in range(downsamplings))


def halving(inputs: int, outputs: int, *, first: bool, normalized: bool) -> nn.Sequential:
    """(B, inputs, 2h, 2w) -> (B, outputs, h, w); the first layer begins with its convolution."""
    return nn.Sequential(
        *([] if first else [nn.LeakyReLU(0.2)]),
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not normalized),
        *([nn.InstanceNorm2d(outputs, affine=True)] if normalized else []),
    )


def doubling(inputs: int, outputs: int, *, normalized: bool) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, outputs, 2h, 2w)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=not normalized),
        *([nn.InstanceNorm2d(outputs, affine=True)] if normalized else []),
    )

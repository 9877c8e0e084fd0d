"""Layers of pix2pixHD: borders are reflected where a kernel keeps the size, and norms are within the item and channel,
without learned scales.

    around:    conv7 -> norm -> ReLU                             halved:   conv3 stride 2 -> norm -> ReLU
    residual:  x -> x + norm(conv3(relu(norm(conv3(x)))))        doubled:  transposed conv3 stride 2 -> norm -> ReLU

A norm takes a bias away again, so that a convolution before one has none.

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: appendix, c7s1-k, dk, Rk, uk
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Residual", "around", "doubled", "halved", "to_image"]


def around(inputs: int, outputs: int) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, outputs, h, w), sides of more than 3."""
    return _normed(nn.Conv2d(inputs, outputs, 7, padding=3, padding_mode="reflect", bias=False))


def halved(inputs: int, outputs: int) -> nn.Sequential:
    """(B, inputs, 2h, 2w) -> (B, outputs, h, w)."""
    return _normed(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False))


def doubled(inputs: int, outputs: int) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, outputs, 2h, 2w)."""
    return _normed(nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False))


def to_image(inputs: int, channels: int) -> nn.Conv2d:
    """(B, inputs, h, w) -> (B, channels, h, w), sides of more than 3, not limited yet."""
    return nn.Conv2d(inputs, channels, 7, padding=3, padding_mode="reflect")


class Residual(nn.Module):
    """(B, channels, h, w) of sides of more than 1 -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False) for _ in range(2)
        )
        self.layers = nn.Sequential(*_normed(first), second, nn.InstanceNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        y: Tensor = x + self.layers(x)
        return y


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU())

"""A residual block that halves its maps by averaging; what goes straight is never normalized, so that colors and
contrast, which norms take away, come through.

    x -> mean2(conv3(act(norm(conv3(act(norm(x))))))) + conv1(mean2(x))

mean2 averages each 2x2 pixels; norms are within the item and channel, without learned scales.

References:
    Toward Multimodal Image-to-Image Translation (Zhu et al., 2017), https://arxiv.org/abs/1711.11586: the encoder
    Identity Mappings in Deep Residual Networks (He et al., 2016), https://arxiv.org/abs/1603.05027
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PooledBlock"]


class PooledBlock(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h // 2, w // 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.InstanceNorm2d(inputs),
            nn.LeakyReLU(0.2),
            nn.Conv2d(inputs, inputs, 3, padding=1, bias=False),
            nn.InstanceNorm2d(inputs),
            nn.LeakyReLU(0.2),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )
        self.beside = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """More than one pixel in all."""
        y: Tensor = functional.avg_pool2d(self.layers(x), 2) + self.beside(functional.avg_pool2d(x, 2))
        return y

"""The last layers of a decoder that knows the layout at full size: what it draws ends where an object does.

    (x, f) = decoder,    (g, b) = conv3(embedded layout),    y = x + conv3(swish(f (1 + g) + b))

Tokens cover several pixels a side, and a decoder's last maps are enlarged from coarser ones: by themselves
borders come out blurred, and not where the layout has them. Here the layout chooses, at every pixel, which of
the features f count. What is added to the image x begins as nothing: a last layer that had to make the whole
image of f took longer to learn its colors. Modulation is that of SPADE, without its normalization, which
would lose how bright an item is.

References:
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291: Section 3
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Outlines"]


class Outlines(nn.Module):
    """What a decoder returns, (B, C + F, H, W), and an embedded layout (B, E, H, W) -> (B, C, H, W).

    Arguments:
        features: F.
        layout_channels: E.
        outputs: C.
    """

    def __init__(self, features: int, layout_channels: int, outputs: int) -> None:
        super().__init__()
        self.split = (outputs, features)
        self.of_layout = nn.Conv2d(layout_channels, 2 * features, 3, padding=1)
        self.out = nn.Conv2d(features, outputs, 3, padding=1)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)

    def forward(self, decoded: Tensor, layout: Tensor) -> Tensor:
        """Both of one size."""
        x, features = decoded.split(self.split, dim=1)
        gain, bias = self.of_layout(layout).chunk(2, dim=1)
        found: Tensor = x + self.out(functional.silu(features * (1 + gain) + bias))
        return found

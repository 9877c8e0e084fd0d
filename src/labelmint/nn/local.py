"""Encoders and decoders that see little or nothing around a token's cell.

A network of the VQGAN class writes what lies in a cell in many ways, after what lies around and after the
whole item (through attention and normalization), and a prior has to guess which. A local encoder writes it
nearly in one way, which a prior predicts far better.

A decoder that sees the whole item learns few items by heart and draws parts of them in others. A local one
sees a few neighbors of a token, and is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from labelmint.nn.residual import ResidualStack

__all__ = ["CellEncoder", "LocalDecoder", "LocalEncoder"]


class CellEncoder(nn.Module):
    """Embedded layouts (B, E, H, W) -> (B, D, h, w), each cell of s x s pixels by itself: its pixels -> conv1
    -> swish -> conv1.

    Arguments:
        inputs: E.
        outputs: D.
        cell: s.
    """

    def __init__(self, inputs: int, outputs: int, cell: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(cell),
            nn.Conv2d(inputs * cell**2, 4 * outputs, 1),
            nn.SiLU(),
            nn.Conv2d(4 * outputs, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """H and W must be multiples of s."""
        found: Tensor = self.layers(x)
        return found


class LocalEncoder(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, h, w): strided convolutions and a few residual blocks, after the
    first VQ-VAE.

        patches of p x p -> conv1 -> [swish -> conv k4 s2] a level but the first -> n residual blocks -> conv1

    Patches stand in place of its first convolution. No normalization and no attention: a vector depends on
    cells at most n + 1 away, and on nothing else.

    Arguments:
        inputs, outputs: channels.
        widths: of the levels, from the finest down. Patches have the second's: widths[0] counts only where it
            is the only one.
        blocks: n.
        patch: p.

    References:
        Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937:
        Section 4.1
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], blocks: int, patch: int = 1) -> None:
        super().__init__()
        widths = [widths[min(1, len(widths) - 1)], *widths[1:]]
        halvings = [
            nn.Sequential(nn.SiLU(), nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths)
        ]
        last = widths[-1]
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(patch),
            nn.Conv2d(inputs * patch**2, widths[0], 1),
            *halvings,
            ResidualStack(last, last, blocks),
            nn.Conv2d(last, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """H and W must be multiples of p 2^(levels - 1)."""
        found: Tensor = self.layers(x)
        return found


class LocalDecoder(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, H, W), without normalization and attention:

        conv3 -> n residual blocks -> [nearest neighbors, conv3, a residual block] a level but the last ->
        enlarged by p -> conv3

    A token reaches n + 1 cells, two positions of each finer level, one more where there are patches, and a
    pixel.

    Arguments:
        inputs, outputs: channels.
        widths: of the levels, from the finest down.
        blocks: n.
        patch: p.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], blocks: int, patch: int = 1) -> None:
        super().__init__()
        last = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(inputs, last, 3, padding=1), ResidualStack(last, last, blocks)]
        for a, b in pairwise(reversed(widths)):
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(a, b, 3, padding=1),
                ResidualStack(b, b, 1),
            ]
        if patch > 1:  # smoothly, as in `nn.autoencoder`
            layers.append(nn.Upsample(scale_factor=patch, mode="bilinear"))
        self.layers = nn.Sequential(*layers)
        self.out = nn.Conv2d(widths[0], outputs, 3, padding=1)

    @property
    def last_layer(self) -> Tensor:
        """The weights where the gradients of two losses are weighed against each other."""
        return self.out.weight

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        found: Tensor = self.out(self.layers(x))
        return found

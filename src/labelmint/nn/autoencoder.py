"""Encoder and decoder of the VQGAN class: levels of residual blocks, between which maps are halved or
doubled.

    block:    y = x + conv3(swish(norm(conv3(swish(norm(x)))))),    x through a 1x1 convolution where widths
              differ
    encoder:  conv3 -> [n blocks -> halve] a level -> block, attention, block -> norm, swish, conv1
    decoder:  conv3 -> block, attention, block -> [n + 1 blocks -> double] a level -> norm, swish, conv

Level i has its own width; the last level stays at its size, so that n levels halve n - 1 times. After each
block of a level whose maps are small enough stands attention. Normalization is within groups of channels of
one item: an item's tokens must not depend on its batch.

The first level may hold patches of p x p pixels in place of pixels: the encoder takes a patch's pixels as
channels, the decoder enlarges its last map before the last convolution. At full size blocks cost most and see
least.

References:
    Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2021),
    https://arxiv.org/abs/2012.09841
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from labelmint.nn.attention import SelfAttention

__all__ = ["Decoder", "Encoder", "ResidualBlock"]

# the most groups, and the fewest channels of each: a group of one would lose its channel's mean
_GROUPS, _LEAST = 32, 4


def _norm(channels: int) -> nn.GroupNorm:
    groups = next(
        g for g in (_GROUPS, 16, 8, 4, 2, 1) if channels % g == 0 and (channels // g >= _LEAST or g == 1)
    )
    return nn.GroupNorm(groups, channels)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, (B, inputs, h, w) -> (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            _norm(inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            _norm(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        y: Tensor = self.shortcut(x) + self.convolve(x)
        return y


def _blocks(inputs: int, outputs: int, count: int, attention: bool) -> list[nn.Module]:
    """`count` residual blocks, each with attention after it where wanted."""
    found: list[nn.Module] = []
    for i in range(count):
        found.append(ResidualBlock(inputs if i == 0 else outputs, outputs))
        if attention:
            found.append(SelfAttention(outputs))
    return found


def _middle(width: int) -> list[nn.Module]:
    return [ResidualBlock(width, width), SelfAttention(width), ResidualBlock(width, width)]


class Encoder(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, h, w), h = H / (p 2^(levels - 1)).

    Arguments:
        inputs, outputs: channels.
        widths: of the levels, from the finest down.
        attention: of each level, whether it attends.
        blocks: n.
        patch: p.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        attention: Sequence[bool],
        blocks: int,
        patch: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.PixelUnshuffle(patch),
            nn.Conv2d(inputs * patch**2, widths[0], 3, padding=1),
        ]
        for i, (width, attends) in enumerate(zip(widths, attention, strict=True)):
            layers += _blocks(widths[max(i - 1, 0)], width, blocks, attends)
            if i < len(widths) - 1:
                layers.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
        last = widths[-1]
        self.layers = nn.Sequential(
            *layers, *_middle(last), _norm(last), nn.SiLU(), nn.Conv2d(last, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """H and W must be multiples of p 2^(levels - 1)."""
        found: Tensor = self.layers(x)
        return found


class Decoder(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, H, W), the encoder's mirror image; sizes are doubled by nearest
    neighbors and a convolution.

    Arguments:
        inputs, outputs: channels.
        widths: of the levels, from the finest down, as the encoder has them.
        attention: of each level, whether it attends.
        blocks: n.
        patch: p.
        kernel: of the last convolution; 1 is cheap where outputs are many classes.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        attention: Sequence[bool],
        blocks: int,
        patch: int = 1,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        last = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(inputs, last, 3, padding=1), *_middle(last)]
        for i in reversed(range(len(widths))):
            before = widths[min(i + 1, len(widths) - 1)]
            layers += _blocks(before, widths[i], blocks + 1, attention[i])
            if i > 0:
                layers += [
                    nn.Upsample(scale_factor=2, mode="nearest"),
                    nn.Conv2d(widths[i], widths[i], 3, padding=1),
                ]
        # between the patches' values, and not one value for each pixel of a patch, which shows as a lattice
        if patch > 1:
            layers.append(nn.Upsample(scale_factor=patch, mode="bilinear"))
        self.layers = nn.Sequential(*layers, _norm(widths[0]), nn.SiLU())
        self.out = nn.Conv2d(widths[0], outputs, kernel, padding=kernel // 2)

    @property
    def last_layer(self) -> Tensor:
        """The weights where the gradients of two losses are weighed against each other."""
        return self.out.weight

    def forward(self, x: Tensor) -> Tensor:
        """Any size."""
        found: Tensor = self.out(self.layers(x))
        return found

"""The patch discriminator (PatchGAN): one verdict for every patch of an image, none for the whole.

    [conv4 stride 2 -> norm -> LeakyReLU 0.2] x n -> conv4 -> norm -> LeakyReLU -> conv4 -> (B, 1, h, w)

Widths double from layer to layer up to eight times the first; the first layer is not normalized.
Normalization is within the item, not over the batch: real and generated images come in batches apart, whose
statistics alone would give them away.

A conditional one, D(s, x), sees the layout beside the image, as channels that its symbols are embedded in.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: matching of its features
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.nn.sight import LayoutEmbedding
from labelmint.types import LayoutBatch

__all__ = ["PatchDiscriminator"]


def _layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=False),
        nn.GroupNorm(next(g for g in (8, 4, 2, 1) if outputs % g == 0), outputs),
        nn.LeakyReLU(0.2),
    ]


class PatchDiscriminator(nn.Module):
    """Images (B, C, H, W) -> verdicts (B, 1, h, w), high for real ones; a patch is 70 pixels wide at three
    layers, 34 at two.

    Arguments:
        inputs: C.
        channels: width of the first layer.
        layers: n, those of stride 2; sides must be at least 3 * 2^n pixels.
        symbols: S of the layouts that it sees; 0: it sees none.
        layout_channels: channels that stand for a layout's symbols.
    """

    def __init__(
        self, inputs: int, channels: int = 64, layers: int = 3, symbols: int = 0, layout_channels: int = 16
    ) -> None:
        super().__init__()
        self.embed = LayoutEmbedding(symbols, layout_channels) if symbols else None
        inputs += layout_channels if symbols else 0
        widths = [channels * min(1 << i, 8) for i in range(layers + 1)]
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *(layer for a, b in zip(widths[:-2], widths[1:-1], strict=True) for layer in _layer(a, b, 2)),
            *_layer(widths[-2], widths[-1], 1),
            nn.Conv2d(widths[-1], 1, 4, padding=1),
        )

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Tensor:
        """Verdicts; layouts play no part unless there are symbols, and then must be there (ValueError)."""
        found: Tensor = self.layers(self._seen(image, layouts))
        return found

    def features(self, image: Tensor, layouts: LayoutBatch | None = None) -> list[Tensor]:
        """The n + 1 maps after each LeakyReLU, from the finest, and the verdicts last; for feature matching."""
        x, found = self._seen(image, layouts), []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return [*found, x]

    def _seen(self, image: Tensor, layouts: LayoutBatch | None) -> Tensor:
        if self.embed is None:
            return image
        if layouts is None:
            raise ValueError("a discriminator of images given layouts needs the layouts")
        return torch.cat([image, self.embed(layouts)], dim=1)

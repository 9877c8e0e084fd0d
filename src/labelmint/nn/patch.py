"""The patch discriminator (PatchGAN): one verdict for every patch of an image, none for the whole; and several of
them, each at half the size of the one before.

    [conv4 stride 2 -> norm -> LeakyReLU 0.2] x n -> conv4 -> norm -> LeakyReLU -> conv4 -> (B, 1, h, w)

Widths double from layer to layer up to eight times the first; the first layer is not normalized.
Normalization is within the item, not over the batch: real and generated images come in batches apart, whose
statistics alone would give them away. Spectral normalization divides each weight but the first and last by its largest
singular value.

A conditional one, D(s, x), sees the layout beside the image, as channels that its symbols are embedded in. The coarser
ones of several see both averaged. Where several images are made of a layout, each may have a discriminator of its own.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: several sizes, matching of features
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.spectral import spectral_norm
from labelmint.types import LayoutBatch

__all__ = ["MultiScaleDiscriminator", "OneForEach", "PatchDiscriminator", "PatchNorm", "Scales"]

Scales: TypeAlias = list[
    list[Tensor]
]  # for each size, the finest first: maps of layers, and the verdicts last
PatchNorm: TypeAlias = Literal["group", "instance"]


def _layer(inputs: int, outputs: int, stride: int, norm: PatchNorm, spectral: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=False)
    groups = next(g for g in (8, 4, 2, 1) if outputs % g == 0)
    return [
        spectral_norm(convolution) if spectral else convolution,
        nn.GroupNorm(groups, outputs) if norm == "group" else nn.InstanceNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
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
        norm: in groups of channels with learned scales, or of each channel without.
        spectral: whether weights are normalized.
    """

    def __init__(
        self,
        inputs: int,
        channels: int = 64,
        layers: int = 3,
        symbols: int = 0,
        layout_channels: int = 16,
        norm: PatchNorm = "group",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.embed = LayoutEmbedding(symbols, layout_channels) if symbols else None
        inputs += layout_channels if symbols else 0
        widths = [channels * min(1 << i, 8) for i in range(layers + 1)]
        pairs = zip(widths[:-2], widths[1:-1], strict=True)
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *(layer for a, b in pairs for layer in _layer(a, b, 2, norm, spectral)),
            *_layer(widths[-2], widths[-1], 1, norm, spectral),
            nn.Conv2d(widths[-1], 1, 4, padding=1),
        )

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Scales:
        """The n + 1 maps after each LeakyReLU, from the finest, and the verdicts last, of one size.

        Layouts play no part unless there are symbols, and then must be there (ValueError).
        """
        return [self.maps(seen_beside(image, self.embed, layouts))]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Maps and verdicts of images beside their embedded layouts."""
        found = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return [*found, x]


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators over images at full size, half of it, and so on.

    Arguments:
        scales: how many; the coarsest image must be large enough for a discriminator's layers.
        edges: whether the edges between symbols are seen beside layouts.
        height: H of images at full size. Of smaller images only the discriminators of their size and below judge, so
            that each always sees one size; 0: all judge, whatever the size.

    The others are those of `PatchDiscriminator`.
    """

    def __init__(
        self,
        inputs: int,
        channels: int = 64,
        layers: int = 3,
        scales: int = 2,
        symbols: int = 0,
        layout_channels: int = 16,
        norm: PatchNorm = "instance",
        spectral: bool = True,
        edges: bool = False,
        height: int = 0,
    ) -> None:
        super().__init__()
        self.height = height
        self.embed = LayoutEmbedding(symbols, layout_channels, edges) if symbols else None
        inputs += self.embed.width if self.embed is not None else 0
        self.each = nn.ModuleList(
            PatchDiscriminator(inputs, channels, layers, norm=norm, spectral=spectral) for _ in range(scales)
        )

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Scales:
        """Maps and verdicts of each size, the finest first; ValueError where symbols lack their layouts."""
        x, found = seen_beside(image, self.embed, layouts), list[list[Tensor]]()
        halved = max(self.height // image.shape[2], 1).bit_length() - 1  # times
        for one in list(self.each)[min(halved, len(self.each) - 1) :]:
            if found:
                x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            found.append(one.maps(x))  # type: ignore[operator]
        return found


class OneForEach(nn.Module):
    """Discriminators of several images of a layout, one for each.

    Arguments:
        discriminators: of images of C channels.
    """

    def __init__(self, *discriminators: nn.Module) -> None:
        super().__init__()
        self.each = nn.ModuleList(discriminators)

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Scales:
        """Maps and verdicts of all, in order, of images (B, C times their number, H, W) side by side."""
        parts = image.chunk(len(self.each), dim=1)
        return [maps for one, part in zip(self.each, parts, strict=True) for maps in one(part, layouts)]


def seen_beside(image: Tensor, embed: LayoutEmbedding | None, layouts: LayoutBatch | None) -> Tensor:
    """Images (B, C, H, W) with the channels of their embedded layouts, if they are embedded."""
    if embed is None:
        return image
    if layouts is None:
        raise ValueError("a discriminator of images given layouts needs the layouts")
    return torch.cat([image, embed(layouts)], dim=1)

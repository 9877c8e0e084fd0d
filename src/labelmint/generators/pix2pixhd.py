"""The generator of pix2pixHD: a part for the whole image at half size, and an enhancer that adds what is fine.

    f = global part of s at half size,    enhancer:  x = tanh(conv7(doubled(residuals(halved(around(s)) + f))))
    global part:  around -> n times halved -> residuals -> n times doubled;    by itself:  x = tanh(conv7(f))

s is the embedded layout with the edges between its symbols beside it (`nn.sight`); each part has an embedding of its
own, which is averaged down for the global part. Layers are those of `nn.reflected`. Trained from coarse to fine, the
global part learns first, by itself and at half size: layouts smaller than those that the generator is made for have its
image. Without an enhancer it makes images at full size.

Nothing is random, and a layout has one image, unless there are features: then s has beside it, at every pixel, a few
numbers that say how the object there looks, those of the real image in training, drawn ones afterwards
(`generators.features`).

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Sections 3.2 to 3.4, Figure 3, appendix
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.generators.features import ObjectFeatures
from labelmint.nn.initial import begin_normal
from labelmint.nn.reflected import Residual, around, doubled, halved, to_image
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["Pix2PixHDConfig", "Pix2PixHDGenerator"]


class Pix2PixHDConfig(BaseModel):
    """Sizes of pix2pixHD's generator; the defaults are those published for 1024x2048 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        64,
        ge=8,
        multiple_of=8,
        description="width of the global part's first layer, which doubles with each halving; the enhancer "
        "has half of it",
    )
    downsamplings: int = Field(4, ge=1, le=6, description="halvings of the global part")
    blocks: int = Field(9, ge=1, description="residual blocks of the global part")
    enhancer_blocks: int = Field(
        3,
        ge=0,
        description="residual blocks of the enhancer; 0: none, the global part makes images at full size",
    )
    edges: bool = Field(True, description="whether the edges between instances are seen beside the layout")
    features: int = Field(
        0,
        ge=0,
        description="numbers that say how an object looks, found by an encoder of the real image and drawn from "
        "clusters of its class; published are 3; 0: none, one image a layout",
    )
    encoder_channels: int = Field(
        16,
        ge=8,
        multiple_of=8,
        description="width of the first layer of that encoder, which halves as often as the global part",
    )
    layout_channels: int = Field(16, ge=1, description="channels that stand for a layout's symbols")
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.downsamplings + bool(self.enhancer_blocks)


class Pix2PixHDGenerator(nn.Module):
    """LayoutToImage of pix2pixHD.

    Attributes:
        noise: with features, a number at each pixel, of which objects take theirs.

    Arguments:
        config: sizes. symbols: S. image_channels: C, 1 or 3.
        size: (H, W), multiples of `config.multiple` and at least twice that.
        kinds: (S,) the class, from 0 on, of each symbol; each its own where None.
        whole: symbols of which all pixels are one object.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(
        self,
        config: Pix2PixHDConfig,
        symbols: int,
        image_channels: int,
        size: tuple[int, int],
        *,
        kinds: Sequence[int] | None = None,
        whole: Iterable[int] = (),
    ) -> None:
        super().__init__()
        self.height = size[0]
        self.noise = Noise("uniform", size) if config.features else None
        self.coarse = _GlobalPart(config, symbols)
        self.coarse_image = to_image(config.channels, image_channels)
        self.enhancer = _Enhancer(config, symbols, image_channels) if config.enhancer_blocks else None
        self.output = Output(config.output)
        self.features = (
            ObjectFeatures(
                image_channels,
                config.encoder_channels,
                config.downsamplings,
                config.features,
                kinds=range(symbols) if kinds is None else kinds,
                whole=whole,
                height=size[0],
                shrink=2 if config.enhancer_blocks else 1,
            )
            if config.features
            else None
        )
        begin_normal(self)

    def forward(
        self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials, image: Tensor | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of layouts, or of smaller ones by the global part alone.

        With features these are drawn by noise (B, H, W), or given in its place as `code_of` has them (B, F, H, W), or
        with `image` those of the real images.
        """
        found = self._features(layouts, noise, image)
        seen = torch.cat([self.coarse.embed(layouts), *found], dim=1)
        if self.enhancer is None or seen.shape[2] < self.height:
            made = self.coarse_image(self.coarse(seen))
        else:
            halved_down = functional.avg_pool2d(seen, 3, stride=2, padding=1, count_include_pad=False)
            made = self.enhancer(layouts, self.coarse(halved_down), found)
        limited: Tensor = self.output(made)
        return limited

    def code_of(self, batch: Batch) -> Tensor | None:
        """Features of the objects of real images at every pixel, (B, F, H, W); None without features."""
        found: Tensor | None = self.features(batch.image, batch.layouts.ids) if self.features else None
        return found

    def settle(self, batches: Iterable[Batch]) -> None:
        """Take the clusters that features are drawn from, of training pairs; nothing without features."""
        if self.features is not None:
            self.features.settle(batches)

    def _features(self, layouts: LayoutBatch, noise: Tensor | None, image: Tensor | None) -> list[Tensor]:
        """One map (B, F, H, W); none without features."""
        if self.features is None:
            return []
        if image is not None:
            return [self.features(image, layouts.ids)]
        assert noise is not None
        return [noise if noise.ndim == 4 else self.features.drawn(noise, layouts.ids)]


class _GlobalPart(nn.Module):
    """Embedded layouts, and features, (B, D + F, h, w) -> its last map (B, channels, h, w)."""

    def __init__(self, config: Pix2PixHDConfig, symbols: int) -> None:
        super().__init__()
        self.embed = LayoutEmbedding(symbols, config.layout_channels, config.edges)
        widths = [config.channels << k for k in range(config.downsamplings + 1)]
        pairs = list(zip(widths, widths[1:], strict=False))
        self.layers = nn.Sequential(
            around(self.embed.width + config.features, config.channels),
            *(halved(narrow, wide) for narrow, wide in pairs),
            *(Residual(widths[-1]) for _ in range(config.blocks)),
            *(doubled(wide, narrow) for narrow, wide in reversed(pairs)),
        )

    def forward(self, seen: Tensor) -> Tensor:
        found: Tensor = self.layers(seen)
        return found


class _Enhancer(nn.Module):
    """Layouts, the global part's map (B, channels, H / 2, W / 2) and features -> images (B, C, H, W) without limits."""

    def __init__(self, config: Pix2PixHDConfig, symbols: int, image_channels: int) -> None:
        super().__init__()
        wide, narrow = config.channels, config.channels // 2
        self.embed = LayoutEmbedding(symbols, config.layout_channels, config.edges)
        self.before = nn.Sequential(around(self.embed.width + config.features, narrow), halved(narrow, wide))
        self.after = nn.Sequential(
            *(Residual(wide) for _ in range(config.enhancer_blocks)),
            doubled(wide, narrow),
            to_image(narrow, image_channels),
        )

    def forward(self, layouts: LayoutBatch, coarse: Tensor, features: Sequence[Tensor] = ()) -> Tensor:
        seen = torch.cat([self.embed(layouts), *features], dim=1)
        image: Tensor = self.after(self.before(seen) + coarse)
        return image

"""The SPADE generator: an image grows from a few pixels, and at every size the layout says again what is where.

    x_0 = conv3(s), or linear(z),    x_k = block_k(twice(x_(k-1)), s),    image = tanh(conv3(lrelu(x_n)))

Blocks are those of `nn.spade`; `twice` takes each pixel twice a side. With an image encoder z ~ N(0, I) is the
style: in training it comes from q(z|x) = N(mu(x), sigma(x)^2) of the real image x, found by strided convolutions. New
images take T(z) where the styles of the training images are fitted after training (`generators.codes`). Blocks may be
told [s, W z] in place of s: a norm within the item takes away what is the same all over a map, so that a style that
enters at the smallest size alone gets through as a spot, whose height tells the norms what to leave. Without an encoder
a layout has one image. The embedding of a layout stands for the one-hot map, as in pix2pix.

References:
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291: appendix A
    Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2020), https://arxiv.org/abs/1912.04958: the
    spots
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.dials import TRUNCATION
from labelmint.generators.codes import FittedCodes, StylePrior
from labelmint.generators.encoded import Encoded, EncoderKind, image_encoder
from labelmint.generators.truncation import truncated
from labelmint.nn.initial import begin_xavier
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.spade import NormKind, SpadeBlock
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["SpadeConfig", "SpadeGenerator", "beside", "grown", "spade_blocks"]

_WIDEST = 16  # the first blocks as a multiple of the last


class SpadeConfig(BaseModel):
    """Sizes of a SPADE generator; the defaults are those published for 256x256 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        64,
        ge=8,
        multiple_of=8,
        description="width of the last block, or a half or less of it where few doublings follow wide blocks; the "
        "first ones have `widest` times as many",
    )
    doublings: int = Field(
        5, ge=2, le=7, description="times that the size doubles; sides are multiples of 2^this"
    )
    widest: int = Field(_WIDEST, ge=1, le=_WIDEST, description="the first blocks as a multiple of `channels`")
    one_a_size: bool = Field(
        False,
        description="whether there is one block at each size, as published for 6 doublings; else two at the second, "
        "as for 5",
    )
    hidden: int = Field(128, ge=8, description="channels between the layout and its scales and shifts")
    layout_channels: int = Field(16, ge=1, description="channels that stand for a layout's symbols")
    norm: NormKind = Field("batch", description="over the batch, as published, or within the item")
    spectral: bool = Field(True, description="whether convolutions have spectral norm")
    code: int = Field(
        256, ge=0, description="numbers of the style, found by an image encoder; 0: one image a layout"
    )
    encoder: EncoderKind = Field(
        "strided", description="of the style: strided convolutions, as published, or residual blocks"
    )
    style_prior: StylePrior = Field(
        "normal",
        description="what new images draw their style from: a normal distribution, as published, or one that is fitted "
        "after training to those of the training images",
    )
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )
    told: int = Field(
        0,
        ge=0,
        description="numbers of the style that each block is told beside the layout; 0, as published: none",
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.doublings

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the blocks: one at the smallest size, two at the next, one at each other, which halves them; or
        one at each size, from whose last on they double up to the widest.
        """
        if self.one_a_size:
            doubled = (1 << k for k in reversed(range(self.doublings + 1)))
            return tuple(self.channels * min(multiple, self.widest) for multiple in doubled)
        halved = (max(self.widest >> k, 1) for k in range(1, self.doublings))
        return tuple(self.channels * multiple for multiple in (*[self.widest] * 3, *halved))

    @property
    def staying(self) -> tuple[int, ...]:
        """Blocks before which nothing doubles."""
        return (0,) if self.one_a_size else (0, 2)


class SpadeGenerator(nn.Module):
    """LayoutToImage of SPADE.

    Arguments:
        config: sizes. symbols: S. image_channels: C, 1 or 3. size: (H, W).
        sight: turns layouts into maps (B, layout_channels, H, W); None embeds their symbols.
    """

    def __init__(
        self,
        config: SpadeConfig,
        symbols: int,
        image_channels: int,
        size: tuple[int, int],
        sight: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.dials: tuple[Dial, ...] = (TRUNCATION,) if config.code else ()
        self.smallest = (size[0] // config.multiple, size[1] // config.multiple)
        told = config.told if config.code else 0
        seen, widths = config.layout_channels + told, config.widths
        self.embed: nn.Module = sight or LayoutEmbedding(symbols, config.layout_channels)
        self.begin: nn.Module = (
            nn.Linear(config.code, widths[0] * math.prod(self.smallest))
            if config.code
            else nn.Conv2d(seen, widths[0], 3, padding=1)
        )
        self.blocks = spade_blocks(config, seen)
        self.to_image = nn.Conv2d(widths[-1], image_channels, 3, padding=1)
        self.output = Output(config.output)
        begin_xavier(self)
        # Both begin with weights of usual size.
        self.tell = nn.Linear(config.code, told) if told else None
        self.encoder = (
            image_encoder(config.encoder, image_channels, config.channels, config.code, size)
            if config.code
            else None
        )
        self.styles = FittedCodes(config.code) if config.code and config.style_prior == "fitted" else None

    @property
    def noise(self) -> Noise | None:
        """The style; None without an encoder."""
        return Noise("normal", (self.config.code,)) if self.config.code else None

    def forward(
        self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials, image: Tensor | None = None
    ) -> Tensor | Encoded:
        """Images (B, C, H, W) in [-1, 1] of layouts and styles z = noise (B, code).

        With `image`, the real images, z = mu + sigma noise is that of the image, and both come back with what was made.
        """
        if image is None or self.encoder is None:
            code = truncated(noise, dials) if noise is not None else None
            return self._drawn(layouts, self.styles(code) if self.styles is not None else code)
        mean, log_variance = self.encoder(image)
        assert noise is not None
        return Encoded(self._drawn(layouts, mean + (log_variance / 2).exp() * noise), mean, log_variance)

    def code_of(self, batch: Batch) -> Tensor | None:
        """The z of mu(x), (B, code), of images; None without an encoder."""
        if self.encoder is None:
            return None
        mean: Tensor = self.encoder(batch.image)[0]
        return self.styles.inverse(mean) if self.styles is not None else mean

    def settle(self, batches: Iterable[Batch]) -> None:
        """Fit the styles of training pairs, where they are to be fitted."""
        if self.encoder is not None and self.styles is not None:
            with torch.no_grad():
                self.styles.fit(self.encoder(batch.image) for batch in batches)

    def _drawn(self, layouts: LayoutBatch, code: Tensor | None) -> Tensor:
        whole = self.embed(layouts)
        if code is not None:
            whole = beside(whole, code, self.tell)
            x = self.begin(code).unflatten(1, (-1, *self.smallest))
        else:
            x = self.begin(functional.interpolate(whole, self.smallest))
        x = grown(self.blocks, x, whole, self.config.staying)
        image: Tensor = self.output(self.to_image(functional.leaky_relu(x, 0.2)))
        return image


def spade_blocks(config: SpadeConfig, seen: int) -> nn.ModuleList:
    """The blocks that an image grows in, from the smallest size on; `seen`: channels of what they are told."""
    return nn.ModuleList(
        SpadeBlock(a, b, seen, config.hidden, config.norm, config.spectral)
        for a, b in zip((config.widths[0], *config.widths), config.widths, strict=False)
    )


def beside(whole: Tensor, code: Tensor, tell: nn.Module | None) -> Tensor:
    """What all blocks are told, (B, D, H, W), and W z of a style (B, code) beside it at every pixel; `tell`: W."""
    if tell is None:
        return whole
    return torch.cat([whole, tell(code)[:, :, None, None].expand(-1, -1, *whole.shape[2:])], dim=1)


def grown(blocks: nn.ModuleList, x: Tensor, whole: Tensor, staying: Sequence[int]) -> Tensor:
    """x_n, (B, channels, H, W), of x_0 at the smallest size and of what all blocks are told, (B, seen, H, W); nothing
    doubles before the blocks that are `staying`.
    """
    for k, block in enumerate(blocks):
        if k not in staying:
            x = functional.interpolate(x, scale_factor=2.0)
        x = block(x, functional.interpolate(whole, x.shape[2:]))
    return x

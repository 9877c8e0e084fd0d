"""The generator of pix2pix: a U-Net from a layout to an image, whose only noise is dropout.

    e_1 = conv(s),    e_i = norm(conv(lrelu(e_{i-1}))),    e_n = conv(lrelu(e_{n-1}))               i < n
    d_n = m_n norm(deconv(relu(e_n))),    d_i = m_i norm(deconv(relu([d_{i+1}, e_i])))              i > 1
    x   = tanh(deconv(relu([d_2, e_1])))
    m   = 0 where u < p, else 1 / (1 - p),    u ~ U(0, 1)    in the three deepest d; elsewhere 1

Kernels are 4x4 of stride 2, so that e_i and d_{i+1} are H / 2^i by W / 2^i; e_i has min(2^(i-1), 8) times the
channels of e_1, d_i as many as e_{i-1}. Dropout stays on when images are drawn. As in the paper's own program
it stands in the three deepest layers of the decoder; another program has it one layer finer.

- **Masks** are numbers u like any noise, 43,008 for 256x256 pixels: 512 channels of 2x2, 4x4 and 8x8. So an
  image depends on its layout and its numbers alone, whatever its batch.
- **Normalization** is within the item and channel, in training and in drawing: that is what the published
  BatchNorm does at the published batch of one. Learned scales and shifts follow it.
- **The deepest map** e_n has no norm: at 1x1, as published, it would be the shift alone, which the paper's
  erratum takes back.
- **The layout** enters as an embedding of its symbols. A convolution of an embedding is one of the one-hot
  map with kernels K[o, s] = sum_c W[o, c] E[s, c], any such kernels where there are as many channels as
  symbols; the one-hot of many symbols is never built.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004: Section 3.2, appendix 6.1, errata
"""

from __future__ import annotations

from itertools import zip_longest
from math import prod
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.nn.initial import begin_normal
from labelmint.nn.mirrored import doubling, halving, mirrored_widths
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import LayoutBatch

__all__ = ["UNetConfig", "UNetGenerator", "dropout_mask"]

_DROPPED = 3  # layers with dropout


class UNetConfig(BaseModel):
    """Sizes of pix2pix's generator; the defaults are those published for 256x256 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        64, ge=8, multiple_of=8, description="width of the first layer; deeper ones have up to 8 times"
    )
    downsamplings: int = Field(8, ge=2, le=10, description="halvings; both sides are multiples of 2^this")
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="share of values set to zero, the only noise; at 0 a layout has one image",
    )
    layout_channels: int = Field(16, ge=1, description="channels that stand for a layout's symbols")
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of e_1, ..., e_n."""
        return mirrored_widths(self.channels, self.downsamplings)

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise InputError for images (H, W) that cannot be halved so often."""
        height, width = size
        if height % (1 << self.downsamplings) or width % (1 << self.downsamplings):
            most = min((side & -side).bit_length() - 1 for side in size)
            mend = (
                f"take downsamplings={most} or fewer" if most >= 2 else "take sides that are multiples of 4"
            )
            raise InputError(
                f"images of {height}x{width} pixels: with downsamplings={self.downsamplings} both sides must be "
                f"multiples of {1 << self.downsamplings}; {mend}"
            )


class UNetGenerator(nn.Module):
    """LayoutToImage of pix2pix.

    Arguments:
        config: sizes.
        symbols: S.
        image_channels: C, 1 or 3.
        size: (H, W), multiples of 2^downsamplings; InputError for others.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(self, config: UNetConfig, symbols: int, image_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        config.check_size(size)
        self.config, self.size = config, size
        inputs, widths, deepest = config.layout_channels, config.widths, config.downsamplings - 1
        self.embed = LayoutEmbedding(symbols, inputs)
        self.down = nn.ModuleList(
            halving(before, after, first=i == 0, normalized=0 < i < deepest)
            for i, (before, after) in enumerate(zip((inputs, *widths), widths, strict=False))
        )
        self.up = nn.ModuleList(
            doubling(
                widths[i] * (1 if i == deepest else 2),
                widths[i - 1] if i else image_channels,
                normalized=i > 0,
            )
            for i in reversed(range(config.downsamplings))
        )
        self.output = Output(config.output)
        begin_normal(self)

    @property
    def noise(self) -> Noise | None:
        """One number for each entry of a mask; None without dropout."""
        return Noise("uniform", (sum(map(prod, self._masked)),)) if self.config.dropout else None

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]; with `output` linear they lie beyond in training, see `Output`.

        Arguments:
            layouts: of S symbols and the size of the images.
            noise: (B, entries of masks) in [0, 1); None without dropout. Otherwise ValueError.
            dials: none are heeded.
        """
        maps, masks = self._encoded(layouts), self._masks(noise)
        x = maps.pop()
        for up, mask in zip_longest(self.up[:-1], masks):
            x = up(x)
            x = torch.cat([x if mask is None else x * mask.to(x.dtype), maps.pop()], dim=1)
        image: Tensor = self.output(self.up[-1](x))
        return image

    def _encoded(self, layouts: LayoutBatch) -> list[Tensor]:
        """e_1, ..., e_n."""
        maps = [self.embed(layouts)]
        for down in self.down:
            maps.append(down(maps[-1]))
        return maps[1:]

    @property
    def _masked(self) -> list[tuple[int, int, int]]:
        """Shape (D, h, w) of the layers with a mask, from the deepest up."""
        n, (height, width), widths = self.config.downsamplings, self.size, self.config.widths
        return [(widths[i - 1], height >> i, width >> i) for i in range(n - 1, max(n - 1 - _DROPPED, 0), -1)]

    def _masks(self, noise: Tensor | None) -> list[Tensor]:
        """Masks of the layers from the deepest up."""
        if self.noise is None:
            return []
        if noise is None or tuple(noise.shape[1:]) != self.noise.shape:
            found = None if noise is None else tuple(noise.shape)
            raise ValueError(
                f"a U-Net with dropout needs noise of shape (B, {self.noise.shape[0]}), got {found}"
            )
        masks = dropout_mask(noise, self.config.dropout)
        parts = masks.split([prod(shape) for shape in self._masked], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self._masked, strict=True)]


def dropout_mask(uniforms: Tensor, share: float) -> Tensor:
    """Factors of dropout, 0 where u < p and 1 / (1 - p) elsewhere, of uniforms in [0, 1) of any shape."""
    return (uniforms >= share).to(uniforms.dtype) / (1 - share)

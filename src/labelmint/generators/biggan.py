"""The BigGAN generator: an image grows from a code that every block is told a part of, without a layout.

    x_0 = linear(z_0),    x_k = block_k(x_(k-1); z_k, c),    image = tanh(conv3(relu(norm(x_n))))        (1)
    x -> conv3(relu(y2(conv3(twice(relu(y1(x))))))) + conv1(twice(x))                                    (2)
    y(x) = (1 + linear([z_k, c])) norm(x) + linear([z_k, c])                                             (3)

z = (z_0, ..., z_n) is normal, and c stands for the class of the image as a whole, where the data have such classes:
that of its layout, which has one symbol everywhere. `twice` takes each pixel twice a side. Attention stands where the
map has half the image's sides. Every weight but what stands for classes is divided by its largest singular value.

Typical images of less variety come of a truncated code (`generators.truncation`).

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019),
    https://arxiv.org/abs/1809.11096: Sections 3.1 and 4, appendix B
    Self-Attention Generative Adversarial Networks (Zhang et al., 2019), https://arxiv.org/abs/1805.08318
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.dials import TRUNCATION
from labelmint.generators.truncation import truncated
from labelmint.nn.attention import SelfAttention
from labelmint.nn.initial import begin_orthogonal
from labelmint.nn.residual_discriminator import class_of_each
from labelmint.nn.spade import NormKind
from labelmint.nn.spectral import with_spectral_norm
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import LayoutBatch

__all__ = ["BigGANConfig", "BigGANGenerator"]

_WIDEST = 16  # the first blocks as a multiple of the last


class BigGANConfig(BaseModel):
    """Sizes of a BigGAN generator; the defaults are those published for 128x128 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        96, ge=8, multiple_of=8, description="width of the fifth block; earlier ones have up to 16 times"
    )
    doublings: int = Field(5, ge=2, le=7, description="blocks; sides are multiples of 2^this")
    widest: int = Field(_WIDEST, ge=1, le=_WIDEST, description="the first block as a multiple of `channels`")
    code_part: int = Field(
        20, ge=1, description="numbers of the code that each block, and the first layer, has"
    )
    class_channels: int = Field(
        128, ge=1, description="channels that stand for the class of an image, where the data have one"
    )
    attention: bool = Field(True, description="whether maps of half the image's sides are attended to")
    norm: NormKind = Field("batch", description="over the batch, as published, or within the item")
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.doublings

    @property
    def code(self) -> int:
        """Numbers of the code."""
        return self.code_part * (self.doublings + 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the first map and after each block."""
        halved = (max(self.widest >> k, 1) for k in range(self.doublings))
        return tuple(self.channels * multiple for multiple in (self.widest, *halved))


class BigGANGenerator(nn.Module):
    """LayoutToImage of BigGAN.

    Arguments:
        config: sizes. classes: of images as a whole; 0: it learns from images alone, and layouts say only how large
            an image is. image_channels: C, 1 or 3. size: (H, W).
    """

    dials: tuple[Dial, ...] = (TRUNCATION,)

    def __init__(
        self, config: BigGANConfig, classes: int, image_channels: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.config, widths = config, config.widths
        self.smallest = (size[0] // config.multiple, size[1] // config.multiple)
        told = config.code_part + (config.class_channels if classes else 0)
        self.begin = nn.Linear(config.code_part, widths[0] * math.prod(self.smallest))
        self.blocks = nn.ModuleList(
            _Block(a, b, told, config.norm) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.attention = SelfAttention(widths[-2]) if config.attention else nn.Identity()
        # Within the item, a norm that the code does not steer would leave all images equally bright.
        self.norm = nn.BatchNorm2d(widths[-1]) if config.norm == "batch" else nn.Identity()
        self.to_image = nn.Conv2d(widths[-1], image_channels, 3, padding=1)
        self.output = Output(config.output)
        with_spectral_norm(begin_orthogonal(self))
        # as published, divided by nothing
        self.classes = begin_orthogonal(nn.Embedding(classes, config.class_channels)) if classes else None

    @property
    def noise(self) -> Noise:
        """The code z."""
        return Noise("normal", (self.config.code,))

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of codes z = noise (B, code); of layouts the class counts, if any."""
        assert noise is not None
        code = truncated(noise, dials)
        first, *parts = code.split(self.config.code_part, dim=1)
        known = [self.classes(class_of_each(layouts))] if self.classes is not None else []
        x = self.begin(first).unflatten(1, (-1, *self.smallest))
        for k, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            if k == len(parts) - 1:
                x = self.attention(x)
            x = block(x, torch.cat([part, *known], dim=1))
        image: Tensor = self.output(self.to_image(functional.relu(self.norm(x))))
        return image


class _Told(nn.Module):
    """Maps (B, channels, h, w) normalized, then scaled and shifted as a vector (B, told) says; Equation (3)."""

    def __init__(self, channels: int, told: int, norm: NormKind) -> None:
        super().__init__()
        self.norm = (
            nn.InstanceNorm2d(channels) if norm == "instance" else nn.BatchNorm2d(channels, affine=False)
        )
        self.scale = nn.Linear(told, channels, bias=False)
        self.shift = nn.Linear(told, channels, bias=False)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.scale(told)[:, :, None, None], self.shift(told)[:, :, None, None]
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class _Block(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, 2h, 2w); Equation (2)."""

    def __init__(self, inputs: int, outputs: int, told: int, norm: NormKind) -> None:
        super().__init__()
        self.norms = nn.ModuleList(_Told(width, told, norm) for width in (inputs, outputs))
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((inputs, outputs), (outputs, outputs))
        )
        self.beside = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        y = functional.interpolate(functional.relu(self.norms[0](x, told)), scale_factor=2.0)
        y = self.layers[1](functional.relu(self.norms[1](self.layers[0](y), told)))
        # A pixel alone: the convolution of what is doubled is what is convolved, doubled.
        made: Tensor = y + functional.interpolate(self.beside(x), scale_factor=2.0)
        return made

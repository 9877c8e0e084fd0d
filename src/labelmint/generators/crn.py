"""The cascaded refinement network: modules of doubling size, each told anew what is where, with or without noise.

    x_k = M_k([twice(x_(k-1)), s_k, e_k]),    M = lrelu(norm(conv3(lrelu(norm(conv3(.))))))         (1)
    image = conv1(x_n),    e = E([z, s]),    z ~ N(0, 1) at each pixel                              (2)

s_k are the shares of the symbols in the cells of module k, e_k the encoded noise at its size, and `twice` is
bilinear. Norms are over all maps of an item, with a scale and a shift a channel. E has two convolutions like those of
M and a third without a norm. Without noise, as CRN was published, a layout has one image; its diverse form has k
outputs, of which a seed takes one.

References:
    Photographic Image Synthesis with Cascaded Refinement Networks (Chen & Koltun, 2017),
    https://arxiv.org/abs/1707.09405: Section 3, diverse synthesis
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019),
    https://arxiv.org/abs/1811.12373: the noise and its encoder
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.sight import area_fractions
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import LayoutBatch

__all__ = ["CRNConfig", "CRNGenerator", "NoiseConfig"]

_HALVED = 2  # the last modules have half as many channels
_ENCODER_DEVIATION = 0.15


class CRNConfig(BaseModel):
    """Sizes of a cascaded refinement network; the defaults are those published for 256x512 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        1024, ge=8, multiple_of=2, description="width of the modules; the last two have half of it"
    )
    doublings: int = Field(
        6, ge=2, le=8, description="times that the size doubles; sides are multiples of 2^this"
    )
    outputs: int = Field(1, ge=1, le=64, description="images of a layout, of which each seed takes one")

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.doublings

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each module, from the smallest on."""
        plain = self.doublings + 1 - _HALVED
        return (self.channels,) * plain + (self.channels // 2,) * _HALVED


class NoiseConfig(BaseModel):
    """Sizes of the noise and of its encoder; the defaults are those published."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    noise_channels: int = Field(10, ge=1, description="random numbers a pixel")
    noise_hidden: int = Field(100, ge=1, description="width of the encoder of the noise")


class CRNGenerator(nn.Module):
    """LayoutToImage of CRN; without `noise` it makes one image a layout, or `outputs` of them.

    Arguments:
        config: sizes. symbols: S. image_channels: C. size: (H, W).
        layers: of the distance that it learns by.
        noise: sizes of the noise, or None.

    Attributes:
        balance: (layers,), what each layer of that distance counts.
    """

    dials: tuple[Dial, ...] = ()
    balance: Tensor

    def __init__(
        self,
        config: CRNConfig,
        symbols: int,
        image_channels: int,
        size: tuple[int, int],
        layers: int,
        noise: NoiseConfig | None = None,
    ) -> None:
        super().__init__()
        self.config, self.noise_config = config, noise
        self.symbols, self.image_channels, self.size = symbols, image_channels, size
        self.register_buffer("balance", torch.full((layers,), 1 / layers))
        widths, beside = config.widths, symbols
        self.encoder: nn.Sequential | None = None
        if noise is not None:
            self.encoder = _encoder(symbols, noise)
            beside += noise.noise_channels
        self.stages = nn.ModuleList(
            nn.Sequential(*_layer(before + beside, width), *_layer(width, width))
            for before, width in zip((0, *widths), widths, strict=False)
        )
        outputs = 1 if noise is not None else config.outputs
        self.to_image = nn.Conv2d(widths[-1], outputs * image_channels, 1)

    @property
    def noise(self) -> Noise | None:
        """Numbers at each pixel, or which of several outputs; None where there is one image a layout."""
        if self.noise_config is not None:
            return Noise("normal", (self.noise_config.noise_channels, *self.size))
        return Noise("uniform", (1,)) if self.config.outputs > 1 else None

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) around [-1, 1] of layouts and noise (B, *shape).

        Without a noise that picks one of several outputs they all come, side by side in the channels.
        """
        whole = area_fractions(layouts.ids, self.size, self.symbols)  # of the last module's cells: pixels
        beside = [whole]
        if self.encoder is not None:
            assert noise is not None
            beside.append(self.encoder(torch.cat([noise, whole], dim=1)))
        x = None
        for k, stage in enumerate(self.stages):
            shrink = 1 << (self.config.doublings - k)
            given = [_shrunk(whole, shrink), *(_coarse(one, shrink) for one in beside[1:])]
            if x is not None:
                given.insert(0, functional.interpolate(x, scale_factor=2, mode="bilinear"))
            x = stage(torch.cat(given, dim=1))
        image: Tensor = self.to_image(x)
        return image if noise is None or self.encoder is not None else self._picked(image, noise)

    @torch.no_grad()
    def begin_from(self, other: CRNGenerator) -> None:
        """Take over the weights of a network without noise; noise has no weight at first, and of several outputs
        the first one stays.
        """
        state = other.state_dict()
        for name, mine in self.state_dict().items():
            if name.startswith("encoder."):
                continue
            if mine.shape == (its := state[name]).shape:
                mine.copy_(its)
            elif name.startswith("to_image."):
                mine.copy_(its[: self.image_channels])
            else:  # the first convolution of a module: its last inputs are noise
                mine.zero_()
                mine[:, : its.shape[1]] = its

    def _picked(self, images: Tensor, noise: Tensor) -> Tensor:
        """The output that each number in [0, 1) stands for."""
        each = images.unflatten(1, (self.config.outputs, self.image_channels))
        chosen = (noise[:, 0] * self.config.outputs).long()
        image: Tensor = each[torch.arange(len(each), device=each.device), chosen]
        return image


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(1, outputs), nn.LeakyReLU(0.2)]


def _encoder(symbols: int, noise: NoiseConfig) -> nn.Sequential:
    hidden = noise.noise_hidden
    layers = [*_layer(noise.noise_channels + symbols, hidden), *_layer(hidden, hidden)]
    made = nn.Sequential(*layers, nn.Conv2d(hidden, noise.noise_channels, 1))
    for layer in made:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, _ENCODER_DEVIATION)
    return made


def _shrunk(shares: Tensor, shrink: int) -> Tensor:
    """Shares of symbols in cells that are `shrink` times as large along each side."""
    return functional.avg_pool2d(shares, shrink) if shrink > 1 else shares


def _coarse(noise: Tensor, shrink: int) -> Tensor:
    """Noise at a smaller size, by its pixels alone: a mean over cells would leave none of it."""
    return functional.interpolate(noise, scale_factor=1 / shrink, mode="bilinear") if shrink > 1 else noise

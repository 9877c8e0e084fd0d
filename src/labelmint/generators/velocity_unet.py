"""The velocity network of a flow: a U-Net over patches of pixels, given a time and a layout.

    v(x, t, s) = a(t) x + b(t) (F + q(t) (G - y) + (min(k, K) - q(t)) (M - y)),    y = x / r(t)
    r(t)^2 = t^2 d^2 + (1 - t)^2
    a(t) = (t d^2 - (1 - t)) / r(t)^2                                                                (1)
    b(t) = d / r(t)                                                                                  (2)
    q(t) = min(k^2 / (1 + k), Q),    k(t) = t d / (1 - t)                                            (3)
    M = sum over windows of n x n pixels of m_n c_n(t) mean_n(y),    sum over n of m_n = 1           (4)
    c_n(t) = r(t)^2 / (t^2 d^2 + (1 - t)^2 / n^2)                                                    (5)

x is (1 - t) noise + t image, d the deviation of the images' values; F, G and the shares m of the windows are
what the network finds given y, t and the layout, at each pixel. a(t) x is the best linear guess of the
velocity, which the network would otherwise spend its first minutes on, b(t) the deviation of what that guess
leaves: the network sees inputs of deviation 1 and predicts targets of deviation 1 at all times (the argument of Karras
et al., Section 5, for the straight path). F begins at 0.

Where little noise is left the target is nearly that noise, which a network of patches is slow to copy. With
G the image times r(t) / (t d^2), which is the image in units of d at the end, and q = k, the ratio of
signal to noise, all but F is (image - x) / (1 - t): the noise is what remains of x once the image is taken
from it, so the network only has to say what is smooth in x, which is far easier (Li & He). q stays far
below k while noise prevails, and below Q at the end, where errors of G would outweigh all others.

What q lacks of k there is made up by M, another image in the units of G: c_n mean_n(y) is the best linear guess
of an image that is alike within a window. The network only says where the image is smooth, and how widely; the
levels themselves come from x to the last digit. Without M hardly any noise went beyond t = 0.9: images kept it.

F and G: patches of x and of the layout embedded at full size -> conv3 -> [blocks -> halve] a level -> blocks,
attention, blocks -> [double, add what the level had -> blocks] a level -> out of patches. The whole layout
enters at full size as channels of patches, so that objects' borders are sharp though no convolution runs at
full size; coarser levels see it again as averages of the embedding, that is as area fractions times its
weights. An item whose layout is hidden has the symbol "nothing" everywhere.

References:
    The Design Space of Diffusion-Based Models (Karras et al., 2022), https://arxiv.org/abs/2206.00364
    Back to Basics: Let Denoising Generative Models Denoise (Li & He, 2025), https://arxiv.org/abs/2511.13720
    U-Net (Ronneberger et al., 2015), https://arxiv.org/abs/1505.04597
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.dials import MOST_STYLES
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.unet_blocks import Doubling, Halving, PatchHead, TimedStack, TimeFeatures
from labelmint.types import LayoutBatch

__all__ = [
    "VelocityConfig",
    "VelocityUNet",
    "linear_guess",
    "residual_deviation",
    "trust_in_image",
    "trust_in_means",
]

_MOST = 2.0  # Q
_MOST_RATIO = 12.0  # K: errors of M count that often at most
_WINDOWS = (1, 3, 5)  # n, odd numbers of pixels


class VelocityConfig(BaseModel):
    """Sizes of the velocity network."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    patch: int = Field(2, ge=1, le=8, description="pixels a side that the finest level holds as one")
    widths: tuple[int, ...] = Field(
        (64, 128, 192),
        min_length=1,
        max_length=6,
        description="channels of each level; sizes halve in between",
    )
    blocks: int = Field(1, ge=1, le=8, description="residual blocks of a level down, and again up")
    middle_blocks: int = Field(2, ge=1, le=8, description="residual blocks of the coarsest level")
    attention: bool = Field(True, description="self-attention at the coarsest level")
    layout_channels: int = Field(8, ge=1, description="channels that a layout's symbols are embedded into")
    time_channels: int = Field(128, ge=8, multiple_of=2, description="features of the time")
    styles: int = Field(
        0,
        ge=0,
        le=MOST_STYLES,
        description="kinds of look that images are parted into, and told apart; 0 for none",
    )

    @field_validator("widths", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read the text of a command line, 64,96,128."""
        return value.split(",") if isinstance(value, str) else value

    @field_validator("styles")
    @classmethod
    def _none_or_several(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0 for none, or at least 2")
        return value

    @field_validator("widths")
    @classmethod
    def _multiples_of_eight(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 8 or width % 8 for width in value):
            raise ValueError(f"widths must be multiples of 8, got {','.join(map(str, value))}")
        return value

    @property
    def multiple(self) -> int:
        """Pixels that H and W must be multiples of, patch times 2^(levels - 1)."""
        return self.patch << len(self.widths) - 1


def linear_guess(t: Tensor, deviation: Tensor) -> Tensor:
    """Equation (1), a(t) of times (B,)."""
    return (t * deviation**2 - (1 - t)) / _variance(t, deviation)


def residual_deviation(t: Tensor, deviation: Tensor) -> Tensor:
    """Equation (2), b(t) of times (B,)."""
    return deviation * _variance(t, deviation).rsqrt()


def trust_in_image(t: Tensor, deviation: Tensor) -> Tensor:
    """Equation (3), q(t) of times (B,)."""
    ratio = _ratio(t, deviation)
    return (ratio.square() / (1 + ratio)).clamp_max(_MOST)


def trust_in_means(t: Tensor, deviation: Tensor) -> Tensor:
    """What q(t) lacks of k(t), up to K, of times (B,)."""
    return (_ratio(t, deviation).clamp_max(_MOST_RATIO) - trust_in_image(t, deviation)).clamp_min(0)


def _ratio(t: Tensor, deviation: Tensor) -> Tensor:
    """k(t), the ratio of signal to noise."""
    return t * deviation / (1 - t).clamp_min(1e-3)


def _mixed_means(scaled: Tensor, shares: Tensor, t: Tensor, deviation: Tensor) -> Tensor:
    """Equation (4), M (B, C, H, W) of y (B, C, H, W) and of shares (B, windows, H, W)."""
    variance, signal, mixed = _variance(t, deviation), (t * deviation).square(), torch.zeros_like(scaled)
    for window, share in zip(_WINDOWS, shares.split(1, dim=1), strict=True):
        mean = functional.avg_pool2d(scaled, window, 1, window // 2, count_include_pad=False)
        mixed = torch.addcmul(mixed, mean * share, _maps(variance / (signal + ((1 - t) / window).square())))
    return mixed


def _variance(t: Tensor, deviation: Tensor) -> Tensor:
    return (t * deviation).square() + (1 - t).square()


class VelocityUNet(nn.Module):
    """v(x, t, s): the velocity of images at time t given their layouts.

    Attributes:
        deviation: d, a number that is kept with the weights; of the training images once training has begun.
        shares: (K,) of the kinds of look, K = `config.styles`, kept with the weights; absent without kinds.

    Arguments:
        config: sizes.
        image_channels: C, 1 or 3.
        symbols: S of the layouts.
    """

    def __init__(self, config: VelocityConfig, image_channels: int, symbols: int) -> None:
        super().__init__()
        self.config, self.symbols = config, symbols
        self.deviation: Tensor
        self.register_buffer("deviation", torch.tensor(0.5))
        widths, time, patch = config.widths, config.time_channels, config.patch
        self.layout = LayoutEmbedding(symbols + 1, config.layout_channels)  # the last one is "nothing"
        self.time = TimeFeatures(time)
        if config.styles:
            self.shares: Tensor
            self.register_buffer("shares", torch.full((config.styles,), 1 / config.styles))
            self.style = nn.Embedding(config.styles + 1, time)  # the last one is "not known"
            nn.init.zeros_(self.style.weight)
        self.stem = nn.Conv2d((image_channels + config.layout_channels) * patch**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(TimedStack(width, time, config.blocks) for width in widths[:-1])
        self.shrink = nn.ModuleList(Halving(a, b) for a, b in pairwise(widths))
        self.see = nn.ModuleList(
            nn.Conv2d(config.layout_channels, width, 1, bias=False) for width in widths[1:]
        )
        self.middle = TimedStack(widths[-1], time, config.middle_blocks, config.attention)
        self.enlarge = nn.ModuleList(Doubling(b, a) for a, b in pairwise(widths))
        self.skip = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for width in widths[:-1])
        self.up = nn.ModuleList(TimedStack(width, time, config.blocks) for width in widths[:-1])
        self.head = PatchHead(widths[0], 2 * image_channels + len(_WINDOWS), patch)

    def forward(self, x: Tensor, t: Tensor, layouts: LayoutBatch, shown: Tensor | None = None) -> Tensor:
        """Velocity (B, C, H, W); H and W must be multiples of `config.multiple`.

        Arguments:
            x: (B, C, H, W), (1 - t) noise + t image.
            t: (B,) in [0, 1].
            layouts: of the same B, H and W.
            shown: (B,) bool, which items' layouts the network sees; all of them when None.
        """
        deviation = self.deviation
        guess, left = linear_guess(t, deviation), residual_deviation(t, deviation)
        scaled = x * _maps(left / deviation)
        parts = [x.shape[1], x.shape[1], len(_WINDOWS)]
        seen, time = self._embedded(layouts, shown), self._timed(t, layouts.styles)
        found, image, shares = self._network(scaled, time, seen).split(parts, dim=1)
        rest = torch.addcmul(found, image - scaled, _maps(trust_in_image(t, deviation)))
        smooth = _mixed_means(scaled, shares.softmax(dim=1), t, deviation)
        rest = torch.addcmul(rest, smooth - scaled, _maps(trust_in_means(t, deviation)))
        return torch.addcmul(x * _maps(guess), rest, _maps(left))

    def _embedded(self, layouts: LayoutBatch, shown: Tensor | None) -> Tensor:
        """Layouts as maps (B, E, H, W), hidden ones as "nothing"."""
        ids = layouts.ids.int()
        if shown is not None:
            ids = torch.where(shown[:, None, None], ids, self.symbols)
        found: Tensor = self.layout(LayoutBatch(ids))
        return found

    def _timed(self, t: Tensor, styles: Tensor | None) -> Tensor:
        """Features (B, time_channels) of times, and of kinds of look where the network is told them."""
        time: Tensor = self.time(t)
        if not self.config.styles:
            return time
        unknown = self.config.styles
        known = t.new_full((len(t),), unknown, dtype=torch.long) if styles is None else styles
        style: Tensor = self.style(torch.where(known < 0, unknown, known))
        return time + style

    def _network(self, x: Tensor, time: Tensor, layout: Tensor) -> Tensor:
        """F, G and the shares of the windows before their softmax, (B, 2 C + windows, H, W)."""
        patch = self.config.patch
        x = self.stem(_channels_last(functional.pixel_unshuffle(torch.cat([x, layout], dim=1), patch)))
        kept, seen = [], _channels_last(functional.avg_pool2d(layout, patch))
        for blocks, shrink, see in zip(self.down, self.shrink, self.see, strict=True):
            kept.append(blocks(x, time))
            seen = functional.avg_pool2d(seen, 2)
            x = shrink(kept[-1]) + see(seen)
        x = self.middle(x, time)
        for i in reversed(range(len(kept))):
            x = self.up[i](self.enlarge[i](x) + self.skip[i](kept[i]), time)
        found: Tensor = self.head(x)
        return found


def _channels_last(x: Tensor) -> Tensor:
    """In the order in memory that convolutions keep, and are fastest in."""
    return x.contiguous(memory_format=torch.channels_last)


def _maps(values: Tensor) -> Tensor:
    return values[:, None, None, None]

"""Networks that enlarge images by a whole factor f: RDN, and SRCNN as its small baseline.

    RDN      F_-1 = conv3(x),  F_0 = conv3(F_-1)                            shallow features                  (1)
             F_d = RDB(F_d-1),  d = 1 ... D                                 residual dense blocks             (2)
             F = F_-1 + conv3(conv1([F_1, ..., F_D]))                       global fusion                     (3)
             y = conv3(shuffle(conv3(F)))                                   pixel shuffle                     (4)
    RDB      a_0 = F_d-1,  a_c = relu(conv3([a_0, ..., a_c-1])),  c = 1 ... C
             F_d = F_d-1 + conv1([a_0, ..., a_C])                           local fusion                      (5)
    SRCNN    y = conv5(relu(conv1(relu(conv9(b)))))                         b: x enlarged by bicubic          (6)

[...] stands side by side as channels, conv_k is a convolution of k x k pixels, with G channels in (5), 4 times as many
as it takes in (4) where f is 2, and one step (4) for each factor of 2. With `skip` the network learns what is missing
in the bicubic enlargement, y + b, and begins as that.

`low` reduces images by f as bicubic reduction does, antialiased, to the levels that a pixel has.

References:
    Residual Dense Network for Image Super-Resolution (Zhang et al., 2018), https://arxiv.org/abs/1802.08797
    Image Super-Resolution Using Deep Convolutional Networks (Dong et al., 2016), https://arxiv.org/abs/1501.00092
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.scaling import EIGHT_BITS

__all__ = ["RDN", "SRCNN", "RDNConfig", "SRCNNConfig", "Upscaling", "bicubic", "low"]

_BICUBIC_REACH = 2  # pixels of the small image to either side


class Upscaling(BaseModel):
    """What every network that enlarges has."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    factor: int = Field(
        2, ge=2, le=4, description="how many times as many pixels a side images get: 2, 3 or 4"
    )
    skip: bool = Field(
        False,
        description="whether the network adds to the bicubic enlargement; begins as that, and learns faster",
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides of a large image are multiples."""
        return self.factor


class RDNConfig(Upscaling):
    """Sizes of an RDN; the defaults are those published."""

    blocks: int = Field(16, ge=1, description="D, residual dense blocks")
    convolutions: int = Field(8, ge=1, description="C, of each block")
    growth: int = Field(64, ge=1, description="G, channels that each of these adds")
    channels: int = Field(64, ge=1, description="G0, of the features between blocks")


class SRCNNConfig(Upscaling):
    """Sizes of an SRCNN; the defaults are those published as 9-1-5."""

    channels: int = Field(64, ge=1, description="of the first layer; the second has half as many")
    middle: int = Field(1, ge=1, le=9, description="pixels a side that the second layer sees; odd")

    @field_validator("middle")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


class RDN(nn.Module):
    """Images (B, C, h, w) in [-1, 1] -> (B, C, f h, f w), Equations (1) to (4).

    Arguments:
        config: sizes. image_channels: C, 1 or 3.
    """

    def __init__(self, config: RDNConfig, image_channels: int) -> None:
        super().__init__()
        self.config, self.factor, width = config, config.factor, config.channels
        self.shallow = nn.ModuleList([_conv(image_channels, width, 3), _conv(width, width, 3)])
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(width, config.growth, config.convolutions) for _ in range(config.blocks)
        )
        self.fusion = nn.Sequential(_conv(width * config.blocks, width, 1), _conv(width, width, 3))
        steps = [2, 2] if config.factor == 4 else [config.factor]
        self.enlarge = nn.Sequential(
            *(
                layer
                for step in steps
                for layer in (_conv(width, width * step * step, 3), nn.PixelShuffle(step))
            )
        )
        self.to_image = _last(width, image_channels, 3, config.skip)

    @property
    def reach(self) -> int:
        """How many pixels of the small image away a pixel can change a large one."""
        dense = self.config.blocks * self.config.convolutions
        # two shallow layers, one of the fusion, one before each shuffle, and the last, which sees large pixels
        return max(2 + dense + 1 + len(self.enlarge) // 2 + 1, _BICUBIC_REACH)

    def forward(self, image: Tensor) -> Tensor:
        first = self.shallow[0](image)
        x, found = self.shallow[1](first), []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        made: Tensor = self.to_image(self.enlarge(first + self.fusion(torch.cat(found, dim=1))))
        return made + bicubic(image, self.factor) if self.config.skip else made


class ResidualDenseBlock(nn.Module):
    """(B, channels, h, w) -> the same shape; Equation (5)."""

    def __init__(self, channels: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_conv(channels + c * growth, growth, 3) for c in range(convolutions))
        self.fusion = _conv(channels + convolutions * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for layer in self.layers:
            seen.append(functional.relu(layer(torch.cat(seen, dim=1))))
        fused: Tensor = self.fusion(torch.cat(seen, dim=1))
        return x + fused


class SRCNN(nn.Module):
    """Images (B, C, h, w) in [-1, 1] -> (B, C, f h, f w), Equation (6).

    Arguments:
        config: sizes. image_channels: C, 1 or 3.
    """

    def __init__(self, config: SRCNNConfig, image_channels: int) -> None:
        super().__init__()
        self.config, self.factor = config, config.factor
        width, half = config.channels, max(config.channels // 2, 1)
        self.layers = nn.Sequential(
            _conv(image_channels, width, 9),
            nn.ReLU(),
            _conv(width, half, config.middle),
            nn.ReLU(),
            _last(half, image_channels, 5, config.skip),
        )

    @property
    def reach(self) -> int:
        """How many pixels of the small image away a pixel can change a large one."""
        large = 4 + self.config.middle // 2 + 2
        return -(-large // self.factor) + _BICUBIC_REACH

    def forward(self, image: Tensor) -> Tensor:
        enlarged = bicubic(image, self.factor)
        made: Tensor = self.layers(enlarged)
        return made + enlarged if self.config.skip else made


def bicubic(image: Tensor, factor: int) -> Tensor:
    """Images (B, C, h, w) enlarged by bicubic interpolation."""
    size = [side * factor for side in image.shape[-2:]]
    return functional.interpolate(image, size, mode="bicubic", align_corners=False)


def low(image: Tensor, factor: int) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] reduced by bicubic interpolation, antialiased, and rounded to 8 bits; H and W are
    multiples of the factor.
    """
    size = [side // factor for side in image.shape[-2:]]
    reduced = functional.interpolate(image, size, mode="bicubic", align_corners=False, antialias=True)
    return EIGHT_BITS.rounded(reduced)


def _conv(inputs: int, outputs: int, side: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


def _last(inputs: int, outputs: int, side: int, skip: bool) -> nn.Conv2d:
    """The last layer, which says nothing at first where the bicubic enlargement is there already."""
    layer = _conv(inputs, outputs, side)
    if skip:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer

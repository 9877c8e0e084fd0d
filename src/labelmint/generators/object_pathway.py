"""The generator of images by their objects: a global path makes the ground and what holds the image together, an object
path makes each object at its box.

    e_k = label of box k,    l = conv3(conv3(conv3(sum over k of paste(e_k everywhere))))        the layout encoder
    g = twice(twice(linear([z, l]))),    o = sum over k of paste(twice(twice(e_k everywhere)))
    x = tanh(conv3(twice(twice([g, o]))))

`twice` takes each pixel twice a side, then conv3, norm and ReLU; the convolutions of the layout encoder halve the
sides. The objects of a class differ by what the global path makes of z alone, as the paper has it.

References:
    Generating Multiple Objects at Spatially Distinct Locations (Hinz et al., 2019), https://arxiv.org/abs/1901.00686
"""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.initial import begin_normal
from labelmint.nn.objects import draws, objects_of, paste, summed
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import LayoutBatch

__all__ = ["ObjectPathwayConfig", "ObjectPathwayGenerator"]

Norm: TypeAlias = Literal["batch", "group"]


class ObjectPathwayConfig(BaseModel):
    """Sizes of the generator; the defaults are those published for CLEVR at 64x64 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        768, ge=16, multiple_of=16, description="width at the smallest size; it halves as the sides double"
    )
    noise: int = Field(100, ge=1, description="numbers of the noise")
    label_channels: int = Field(
        16, ge=0, description="numbers that a label is turned into; 0: it stays as it is"
    )
    layout_channels: int = Field(
        16, ge=8, multiple_of=8, description="width of the layout encoder, which ends at an eighth of it"
    )
    norm: Norm = Field("batch", description="over the batch, as published, or within the item")
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 16


class ObjectPathwayGenerator(nn.Module):
    """LayoutToImage of obj-cGAN; it sees boxes alone.

    Arguments:
        config: sizes. labels: (S, L), what each symbol is.
        image_channels: C, 1 or 3. size: (H, W), multiples of 16.
    """

    dials: tuple[Dial, ...] = ()
    labels: Tensor

    def __init__(
        self, config: ObjectPathwayConfig, labels: Tensor, image_channels: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("labels", labels, persistent=False)
        self.smallest, self.quarter = (size[0] // 16, size[1] // 16), (size[0] // 4, size[1] // 4)
        told, width, seen = config.label_channels or labels.shape[1], config.channels, config.layout_channels
        self.embed: nn.Module = (
            nn.Sequential(nn.Linear(labels.shape[1], told, bias=False), nn.ReLU())
            if config.label_channels
            else nn.Identity()
        )
        self.encoder = nn.Sequential(
            nn.Conv2d(told, seen // 2, 3, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            *self._halving(seen // 2, seen // 4),
            *self._halving(seen // 4, seen // 8),
        )
        encoded = seen // 8 * prod(-(-side // 2) for side in self.smallest)
        self.begin = nn.Linear(config.noise + encoded, width * prod(self.smallest), bias=False)
        self.begin_norm = nn.Sequential(self._normed(width), nn.ReLU())
        self.whole = nn.Sequential(self._twice(width, width // 2), self._twice(width // 2, width // 4))
        self.objects = nn.Sequential(self._twice(told, width // 2), self._twice(width // 2, width // 4))
        self.both = nn.Sequential(
            self._twice(width // 2, width // 8),
            self._twice(width // 8, width // 16),
            nn.Conv2d(width // 16, image_channels, 3, padding=1),
        )
        self.output = Output(config.output)
        begin_normal(self)

    @property
    def noise(self) -> Noise | None:
        """z."""
        return Noise("normal", (self.config.noise,))

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of the boxes of layouts and noise (B, D); ValueError without either."""
        if noise is None:
            raise ValueError(f"needs noise of shape (B, {self.config.noise})")
        objects, count = objects_of(layouts, every=draws(self)), len(layouts)
        labels = self.embed(self.labels[objects.symbol])
        placed = paste(_everywhere(labels, self.quarter), objects, self.quarter)
        encoded = self.encoder(summed(placed, objects, count).to(labels.dtype)).flatten(1)
        ground = self.begin(torch.cat([noise, encoded.to(noise.dtype)], dim=1))
        ground = self.whole(self.begin_norm(ground.unflatten(1, (-1, *self.smallest))))
        made = paste(self.objects(_everywhere(labels, self.smallest)), objects, self.quarter)
        own = summed(made, objects, count)
        image: Tensor = self.output(self.both(torch.cat([ground, own.to(ground.dtype)], dim=1)))
        return image

    def _normed(self, channels: int) -> nn.Module:
        if self.config.norm == "batch":
            return nn.BatchNorm2d(channels)
        # Sixteen channels a group: the label that fills a map is what they differ by.
        return nn.GroupNorm(
            next(groups for groups in (8, 4, 2, 1) if channels % (16 * groups) == 0 or groups == 1), channels
        )

    def _twice(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            self._normed(outputs),
            nn.ReLU(),
        )

    def _halving(self, inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return [convolution, self._normed(outputs), nn.LeakyReLU(0.2)]


def _everywhere(labels: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(labels[:, :, None, None], size)

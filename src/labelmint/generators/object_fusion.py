"""The generator of Layout2Im: each object has a code beside its class, and what all of them make together is drawn.

    v_k = [class of k, z_k],    m_k = down(v_k within box k, 0 around it)       the map of an object
    h = residual(ConvLSTM(m_0, m_1, ... m_n)),    x = up(h)                     fused, and drawn
    z_k ~ q(z | crop(x, box k))   or   z_k ~ N(0, I)

Object 0 stands for all that no box tells: its box is the whole image, its class one of its own. Every map is normalized
by a scale and a shift of its class. In training a batch goes through both cycles of BicycleGAN (`generators.bicycle`),
a code an object; the estimator q learns in both.

References:
    Image Generation from Layout (Zhao et al., 2019), https://arxiv.org/abs/1811.11389
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.dials import TRUNCATION
from labelmint.generators.bicycle import Cycles
from labelmint.generators.truncation import truncated
from labelmint.nn.conv_lstm import ConvLSTM
from labelmint.nn.objects import Objects, crop, draws, objects_of, paste
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["ObjectFusionConfig", "ObjectFusionGenerator"]


class ObjectFusionConfig(BaseModel):
    """Sizes of the generator; the defaults are those published for 64x64 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        64, ge=8, multiple_of=8, description="width of the first maps, and of the fused one"
    )
    code: int = Field(64, ge=1, description="numbers of an object's code")
    class_channels: int = Field(64, ge=1, description="numbers that a class is turned into")
    lstm_layers: int = Field(
        3, ge=1, le=4, description="layers that fuse objects; the first of several is twice as wide"
    )
    residual: int = Field(6, ge=0, description="residual blocks behind the fused map")
    crops: int = Field(
        32, ge=16, le=64, multiple_of=16, description="pixels a side that objects are cut out to"
    )
    norm: Literal["batch", "group"] = Field(
        "batch", description="over the batch, as published, or within the item"
    )
    output: Literal["tanh", "linear"] = Field("linear", description="the last function")

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 8

    @property
    def fused(self) -> tuple[int, ...]:
        """Widths of the layers that fuse objects."""
        width = self.channels
        return (width,) if self.lstm_layers == 1 else (2 * width, *[width] * (self.lstm_layers - 1))


class _Rows(NamedTuple):
    """The objects of a batch in a row, those that stand for the ground first; fields as in `nn.objects.Objects`."""

    item: Tensor
    slot: Tensor
    there: Tensor
    symbol: Tensor
    mask: Tensor
    cut: Objects


class ObjectFusionGenerator(nn.Module):
    """LayoutToImage of Layout2Im; it sees boxes alone.

    Arguments:
        config: sizes. symbols: S. most: boxes of a layout. image_channels: C, 1 or 3. size: (H, W), multiples of 8.
    """

    dials: tuple[Dial, ...] = (TRUNCATION,)

    def __init__(
        self, config: ObjectFusionConfig, symbols: int, most: int, image_channels: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.config, self.symbols, self.most, self.size = config, symbols, most, size
        width = config.channels
        self.embed = nn.Embedding(symbols + 1, config.class_channels)
        self.first = nn.Linear(config.class_channels + config.code, width, bias=False)
        self.norms = nn.ModuleList(ClassNorm(width << k, symbols + 1, config.norm) for k in range(4))
        self.down = nn.ModuleList(
            nn.Conv2d(width << k, width << k + 1, 4, stride=2, padding=1, bias=False) for k in range(3)
        )
        self.fuse = ConvLSTM(8 * width, config.fused)
        self.residual = nn.ModuleList(_residual(width, config.norm) for _ in range(config.residual))
        self.up = nn.Sequential(
            *_drawn(nn.Conv2d(width, 4 * width, 3, padding=1, bias=False), config.norm),
            *(
                layer
                for a, b in ((4, 4), (4, 2), (2, 1))
                for layer in _drawn(
                    nn.ConvTranspose2d(a * width, b * width, 4, stride=2, padding=1, bias=False), config.norm
                )
            ),
            nn.Conv2d(width, image_channels, 7, padding=3),
        )
        self.output = Output(config.output)
        self.estimator = CropEstimator(config, symbols + 1, image_channels)

    @property
    def noise(self) -> Noise:
        """A code for the ground, and one for each box there may be."""
        return Noise("normal", (1 + self.most, self.config.code), (("ground", 1), ("objects", self.most)))

    def forward(
        self,
        layouts: LayoutBatch,
        noise: Tensor,
        dials: Dials,
        image: Tensor | None = None,
        drawn: Tensor | None = None,
    ) -> Tensor | Cycles:
        """Images (B, C, H, W) in [-1, 1] of the boxes of layouts and codes z = noise (B, 1 + most, D).

        With `image`, the real images, both cycles: z = mu + sigma noise in the first, z = drawn in the second, which
        has the shape of the noise.
        """
        rows = self._rows(layouts)
        if image is None or drawn is None:
            return self._made(rows, truncated(noise, dials)[rows.item, rows.slot], len(layouts))
        mean, log_variance = self.estimator(image, rows.cut)
        codes = mean + (log_variance / 2).exp() * noise[rows.item, rows.slot]
        first = self._made(rows, codes, len(layouts))
        told = drawn[rows.item, rows.slot]
        second = self._made(rows, told, len(layouts))
        again = self.estimator(second, rows.cut)[0]
        real = rows.there > 0
        return Cycles(
            torch.cat([first, second], dim=1), mean[real], log_variance[real], again[real], told[real]
        )

    def code_of(self, batch: Batch) -> Tensor:
        """mu of each object of images, (B, 1 + most, D), zero for those that are not there."""
        rows = self._rows(batch.layouts)
        mean = self.estimator(batch.image, rows.cut)[0] * rows.there[:, None]
        codes = mean.new_zeros(len(batch), 1 + self.most, self.config.code)
        return torch.index_put(codes, (rows.item, rows.slot), mean)

    def _rows(self, layouts: LayoutBatch) -> _Rows:
        objects, count = objects_of(layouts, every=draws(self)), len(layouts)
        ids = objects.item.new_zeros(count)
        whole = objects.box.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(count, 4)
        item = torch.cat([torch.arange(count, device=ids.device), objects.item])
        slot, there = (
            torch.cat([ids, objects.slot + 1]),
            torch.cat([objects.there.new_ones(count), objects.there]),
        )
        symbol, box = torch.cat([ids + self.symbols, objects.symbol]), torch.cat([whole, objects.box])
        all_of_them = Objects(item, slot, there, symbol, box)
        mask = paste(box.new_ones(len(item), 1, 1, 1), all_of_them, self.size)
        return _Rows(item, slot, there, symbol, mask, all_of_them)

    def _made(self, rows: _Rows, codes: Tensor, count: int) -> Tensor:
        """Images of objects with their codes (n, D)."""
        told = self.first(torch.cat([self.embed(rows.symbol), codes], dim=1))
        x = functional.relu(self.norms[0](told[:, :, None, None] * rows.mask, rows.symbol))
        for k, (layer, norm) in enumerate(zip(self.down, list(self.norms)[1:], strict=True)):
            x = norm(layer(x), rows.symbol)
            x = functional.relu(x) if k < len(self.down) - 1 else x
        x = self.fuse(x, rows.item, rows.slot, rows.there, count)
        for block in self.residual:
            x = x + block(x)
        image: Tensor = self.output(self.up(x))
        return image


class CropEstimator(nn.Module):
    """Images and their objects -> mu and log sigma^2 of the objects' codes, (n, D) each.

    Arguments:
        config: sizes. classes: of objects. image_channels: C.
    """

    def __init__(self, config: ObjectFusionConfig, classes: int, image_channels: int) -> None:
        super().__init__()
        self.side = config.crops
        widths = [
            config.channels << k for k in range(self.side.bit_length() - 1)
        ]  # from `crops` pixels down to 2
        self.layers = nn.ModuleList(
            nn.Conv2d(image_channels, width, 7, padding=3, bias=False)
            if k == 0
            else nn.Conv2d(widths[k - 1], width, 4, stride=2, padding=1, bias=False)
            for k, width in enumerate(widths)
        )
        self.norms = nn.ModuleList(ClassNorm(width, classes, config.norm) for width in widths)
        self.code = nn.Linear(widths[-1], 2 * config.code)

    def forward(self, image: Tensor, objects: Objects) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2."""
        x = crop(image, objects, (self.side, self.side))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.relu(norm(layer(x), objects.symbol))
        mean, log_variance = self.code(x.mean(dim=(2, 3))).chunk(2, dim=1)
        return mean, log_variance


class ClassNorm(nn.Module):
    """y = g_c norm(x) + b_c, the scale and shift being those of the object's class c.

    Arguments:
        channels: of the maps. classes: how many. kind: over the batch, or within the item in groups of channels.
    """

    def __init__(self, channels: int, classes: int, kind: Literal["batch", "group"]) -> None:
        super().__init__()
        self.norm = _norm(channels, kind, affine=False)
        self.scale, self.shift = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.normal_(self.scale.weight, 1.0, 0.02)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """(n, C, h, w) of classes (n,)."""
        scale, shift = (part(classes)[:, :, None, None] for part in (self.scale, self.shift))
        y: Tensor = scale * self.norm(x) + shift
        return y


def _norm(channels: int, kind: str, affine: bool) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels, affine=affine)
    # Sixteen channels a group, as in `generators.object_pathway`: a code that fills a box is what they differ by.
    groups = next(number for number in (8, 4, 2, 1) if channels % (16 * number) == 0 or number == 1)
    return nn.GroupNorm(groups, channels, affine=affine)


def _residual(width: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        _norm(width, norm, affine=True),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        _norm(width, norm, affine=True),
    )


def _drawn(layer: nn.Module, norm: str) -> list[nn.Module]:
    channels = layer.out_channels
    assert isinstance(channels, int)
    return [layer, _norm(channels, norm, affine=True), nn.ReLU()]

"""The strong augmentation of a batch, label and image alike: the baseline that synthetic pairs have to beat.

    moves     zooms log-uniform in [1/2, 2], or [1/2.5, 2.5] where the views' zoom is free; turns, shears,
              shifts and elastic warps (`segmenters.warps`)
    values v  on [0, 1], each for a share of the images: inversion 1 - v; of three channels gray, their order
              and the hue; gamma of v and of 1 - v; contrast about the mean; gain; offset; a gain of each
              channel; a bias field exp(b(p)); blur; half the resolution; noise
    mixing    CutMix (Yun et al. 2019): a rectangle of half of the views comes from another view of the batch,
              with its labels

Gains down to a quarter and inversion reach images taken in ways that the labelled ones do not show. Where
polarity or color tells the classes, `recolored` must be off; the study finds that out on validation pairs.

References:
    nnU-Net (Isensee et al., 2021), https://doi.org/10.1038/s41592-020-01008-z: the list of changes
    CutMix (Yun et al., 2019), https://arxiv.org/abs/1905.04899
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labelmint.segmenters.changes import blurred, drawn, for_some
from labelmint.segmenters.warps import moved

__all__ = ["Strong", "cutmix"]

_ELASTIC = 0.03  # standard deviation of displacements, of the side
_RARELY, _SOMETIMES, _OFTEN = 0.15, 0.2, 0.3  # shares of the images that undergo a change
_INVERTED, _MIXED = 0.25, 0.5
_TO_GRAY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Strong:
    """The augmentation of images (B, C, H, W) on [-1, 1] with ids (B, H, W) of integers.

    Arguments:
        turn: the largest turn in degrees. zoom: the largest factor, whose inverse is the smallest.
        recolored: whether polarity and color may change. mixed: whether views are mixed (CutMix).
    """

    turn: float
    zoom: float = 2.0
    recolored: bool = True
    mixed: bool = False

    def __call__(self, image: Tensor, ids: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images of the same shape on [-1, 1] and their ids; a function of the random state."""
        image, ids = moved(image, ids, rng, turn=self.turn, zoom=self.zoom, elastic=_ELASTIC)
        value = (blurred(image, rng, _RARELY) + 1) / 2
        value = _recolored(value, rng) if self.recolored else value
        image = _shaded(value, rng).clamp(0, 1) * 2 - 1
        return cutmix(image, ids, rng) if self.mixed else (image, ids)


def cutmix(image: Tensor, ids: Tensor, rng: torch.Generator, share: float = _MIXED) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and ids (B, H, W), a share of which has a rectangle of the one before; its area is
    uniform between nothing and half of the view.
    """
    count, (height, width) = len(image), ids.shape[-2:]
    side = torch.rand(count, 1, 1, generator=rng).mul(0.5).sqrt()
    mixed = torch.rand(count, 1, 1, generator=rng) < share

    def inside(length: int) -> Tensor:
        begin = torch.rand(count, 1, 1, generator=rng) * (1 - side)
        place = ((torch.arange(length) + 0.5) / length)[None, None]
        return (place >= begin) & (place < begin + side)

    where = inside(height).mT & inside(width) & mixed
    return (
        torch.where(where[:, None], image.roll(1, dims=0), image),
        torch.where(where, ids.roll(1, dims=0), ids),
    )


def _recolored(value: Tensor, rng: torch.Generator) -> Tensor:
    """Some images inverted; of three channels some gray, some with other channels, some of another hue."""
    value = for_some(rng, value, 1 - value, _INVERTED)
    if value.shape[1] != 3:
        return value
    gray = (value * torch.tensor(_TO_GRAY)[:, None, None]).sum(dim=1, keepdim=True).expand_as(value)
    value = for_some(rng, value, gray, _RARELY)
    value = for_some(rng, value, value[:, torch.randperm(3, generator=rng)], _RARELY)
    # a turn about the gray axis: cos I + (1 - cos) 11'/3 + sin [1/sqrt 3]x
    angle = drawn(rng, value, -math.pi, math.pi)
    cross = torch.stack([value[:, 2] - value[:, 1], value[:, 0] - value[:, 2], value[:, 1] - value[:, 0]], 1)
    mean = value.mean(dim=1, keepdim=True)
    turned = torch.cos(angle) * (value - mean) + mean + torch.sin(angle) * cross / math.sqrt(3)
    return for_some(rng, value, turned, _RARELY)


def _shaded(value: Tensor, rng: torch.Generator) -> Tensor:
    """Some images of another gamma, contrast, gain, offset, tint, bias field, and with noise."""
    for flip in (False, True):
        base = (1 - value if flip else value).clamp(0, 1)
        power = base ** torch.exp(drawn(rng, value, -0.7, 0.7))
        value = for_some(rng, value, 1 - power if flip else power, _SOMETIMES)
    mean = value.mean(dim=(1, 2, 3), keepdim=True)
    value = for_some(rng, value, mean + (value - mean) * torch.exp(drawn(rng, value, -1.1, 0.7)), _OFTEN)
    value = for_some(rng, value, value * torch.exp(drawn(rng, value, -1.4, 0.7)), _OFTEN)
    value = for_some(rng, value, value + drawn(rng, value, -0.25, 0.25), _SOMETIMES)
    if value.shape[1] > 1:
        value = for_some(rng, value, value * drawn(rng, value, 0.8, 1.2, channels=True), _SOMETIMES)
    value = for_some(rng, value, value * torch.exp(_field(rng, value)), _SOMETIMES)
    noise = torch.randn(value.shape, generator=rng) * drawn(rng, value, 0, 0.08)
    return for_some(rng, value, value + noise, _SOMETIMES)


def _field(rng: torch.Generator, like: Tensor) -> Tensor:
    """A smooth random field (B, 1, H, W), normal at 3 x 3 points with a standard deviation of 0.3."""
    points = 0.3 * torch.randn(len(like), 1, 3, 3, generator=rng)
    return functional.interpolate(points, size=like.shape[-2:], mode="bicubic", align_corners=True)

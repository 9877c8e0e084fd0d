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

from labelmint.segmenters.changes import blurred, change_some, drawn, stretched
from labelmint.segmenters.warps import moved

__all__ = ["Strong", "cutmix"]

_ELASTIC = 0.03  # standard deviation of displacements, of the side
_RARELY, _SOMETIMES, _OFTEN = 0.15, 0.2, 0.3  # shares of the images that undergo a change
_FIELD = 0.3  # standard deviation of the logarithm of a bias field at its points
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
    value = value.clone()
    change_some(rng, value, _INVERTED, lambda v, at: 1 - v)
    if value.shape[1] != 3:
        return value
    change_some(rng, value, _RARELY, lambda v, at: _gray(v))
    order = torch.randperm(3, generator=rng)
    change_some(rng, value, _RARELY, lambda v, at: v[:, order])
    angle = drawn(rng, value, -math.pi, math.pi)
    change_some(rng, value, _RARELY, lambda v, at: _turned(v, angle[at]))
    return value


def _gray(value: Tensor) -> Tensor:
    weights = torch.tensor(_TO_GRAY)[:, None, None]
    return (value * weights).sum(dim=1, keepdim=True).expand_as(value)


def _turned(value: Tensor, angle: Tensor) -> Tensor:
    """Hues turned about the gray axis: cos I + (1 - cos) 11'/3 + sin [1/sqrt 3]x."""
    cross = torch.stack([value[:, 2] - value[:, 1], value[:, 0] - value[:, 2], value[:, 1] - value[:, 0]], 1)
    mean = value.mean(dim=1, keepdim=True)
    return torch.cos(angle) * (value - mean) + mean + torch.sin(angle) * cross / math.sqrt(3)


def _shaded(value: Tensor, rng: torch.Generator) -> Tensor:
    """Some images of another gamma, contrast, gain, offset, tint, bias field, and with noise."""
    value = value.clone()
    power = torch.exp(drawn(rng, value, -0.7, 0.7))
    change_some(rng, value, _SOMETIMES, lambda v, at: v.clamp(0, 1) ** power[at])
    inverse = torch.exp(drawn(rng, value, -0.7, 0.7))
    change_some(rng, value, _SOMETIMES, lambda v, at: 1 - (1 - v).clamp(0, 1) ** inverse[at])
    contrast = torch.exp(drawn(rng, value, -1.1, 0.7))
    change_some(rng, value, _OFTEN, lambda v, at: stretched(v, contrast[at]))
    gain = torch.exp(drawn(rng, value, -1.4, 0.7))
    change_some(rng, value, _OFTEN, lambda v, at: v * gain[at])
    offset = drawn(rng, value, -0.25, 0.25)
    change_some(rng, value, _SOMETIMES, lambda v, at: v + offset[at])
    if value.shape[1] > 1:
        tint = drawn(rng, value, 0.8, 1.2, channels=True)
        change_some(rng, value, _SOMETIMES, lambda v, at: v * tint[at])
    points = _FIELD * torch.randn(len(value), 1, 3, 3, generator=rng)
    change_some(rng, value, _SOMETIMES, lambda v, at: v * torch.exp(_field(points[at], v)))
    noise, amount = torch.randn(value.shape, generator=rng), drawn(rng, value, 0, 0.08)
    change_some(rng, value, _SOMETIMES, lambda v, at: v + noise[at] * amount[at])
    return value


def _field(points: Tensor, like: Tensor) -> Tensor:
    """A smooth field (B, 1, H, W) through 3 x 3 points (B, 1, 3, 3)."""
    return functional.interpolate(points, size=like.shape[-2:], mode="bicubic", align_corners=True)

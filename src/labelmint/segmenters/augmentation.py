"""The narrow classical augmentation of a batch, label and image alike: what the study's arm A0 has.

The list is nnU-Net's (Isensee et al. 2021) with narrow ranges: moves (`segmenters.warps`, zooms up to 1.4),
noise, blur, brightness, contrast, lower resolution and gamma, beside the flips and right-angle turns that
`Geometry` draws. Each image draws for itself. `segmenters.strong` is the wide one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelmint.segmenters.changes import blurred, change_some, drawn, stretched
from labelmint.segmenters.warps import moved

__all__ = ["augment"]

_CHANGED, _ZOOM = 0.2, 1.4  # share of images that undergo each change of their values; largest zoom


def augment(image: Tensor, ids: Tensor, rng: torch.Generator, *, turn: float) -> tuple[Tensor, Tensor]:
    """Augment images (B, C, H, W) on [-1, 1] and their ids (B, H, W) of integers; `turn` is the largest turn
    in degrees.
    """
    image, ids = moved(image, ids, rng, turn=turn, zoom=_ZOOM)
    value = (blurred(image, rng, _CHANGED) + 1) / 2

    def some(change: Callable[[Tensor, Tensor], Tensor]) -> None:
        change_some(rng, value, _CHANGED, change)

    power = torch.exp(drawn(rng, value, -0.4, 0.4))
    some(lambda v, at: v.clamp(0, 1) ** power[at])  # gamma
    inverse = torch.exp(drawn(rng, value, -0.4, 0.4))
    some(lambda v, at: 1 - (1 - v).clamp(0, 1) ** inverse[at])  # of the inverted image
    contrast = drawn(rng, value, 0.65, 1.5)
    some(lambda v, at: stretched(v, contrast[at]))
    gain = drawn(rng, value, 0.7, 1.3)
    some(lambda v, at: v * gain[at])  # brightness
    tint = drawn(rng, value, 0.85, 1.15, channels=True)
    some(lambda v, at: v * tint[at])
    noise, amount = torch.randn(value.shape, generator=rng), drawn(rng, value, 0, 0.06)
    some(lambda v, at: v + noise[at] * amount[at])
    return value.clamp(0, 1) * 2 - 1, ids

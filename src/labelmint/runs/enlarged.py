"""Images that were reduced and enlarged again, beside what plain interpolation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelmint import pictures
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.super_resolution import bicubic, low
from labelmint.protocols import Upscaler
from labelmint.types import Array

__all__ = ["beside_bicubic", "enlarged_again", "lanczos"]

_SHOWN = ("low", "bicubic", "network", "true")
_PART = 64  # pixels a side


def lanczos(images: Array, factor: int) -> Array:
    """Images (B, h, w, C) uint8 enlarged by Lanczos interpolation of three lobes, as Pillow has it."""
    height, width = (side * factor for side in images.shape[1:3])
    found = [
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).resize(
            (width, height), Image.Resampling.LANCZOS
        )
        for image in images
    ]
    return np.stack([np.asarray(one).reshape(height, width, -1) for one in found])


@torch.no_grad()
def enlarged_again(upscaler: Upscaler, images: Tensor) -> dict[str, Array]:
    """Images (B, C, H, W) in [-1, 1] in several ways, each (B, H, W, C) uint8 by its name: reduced ("low", its pixels
    as squares), then enlarged by "bicubic", "lanczos" and the "network", and as they were, "true".
    """
    factor, small = upscaler.factor, low(images, upscaler.factor)
    levels = EIGHT_BITS.from_unit(small)
    return {
        "low": levels.repeat(factor, axis=1).repeat(factor, axis=2),
        "bicubic": EIGHT_BITS.from_unit(bicubic(small, factor)),
        "lanczos": lanczos(levels, factor),
        "network": EIGHT_BITS.from_unit(upscaler.enlarge(small)),
        "true": EIGHT_BITS.from_unit(images),
    }


def beside_bicubic(upscaler: Upscaler, images: Tensor, path: str | Path) -> None:
    """Write a picture of images (B, C, H, W): a row each of the part in which bicubic interpolation errs most, a column
    a way of `enlarged_again`.
    """
    found = enlarged_again(upscaler, images)
    rows = []
    for row, true in enumerate(found["true"]):
        where = _worst(np.abs(found["bicubic"][row].astype(int) - true).mean(axis=2))
        rows.append([found[way][row][where] for way in _SHOWN])
    pictures.under_heads(rows, _SHOWN, path)


def _worst(error: Array) -> tuple[slice, slice]:
    """The square of an error (H, W) with the largest mean, of `_PART` pixels a side or as many as there are."""
    side = min(_PART, *error.shape)
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    means = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = (int(place) for place in np.unravel_index(means.argmax(), means.shape))
    return slice(top, top + side), slice(left, left + side)

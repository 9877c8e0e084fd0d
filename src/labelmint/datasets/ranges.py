"""Ranges: the levels that each image really uses, for data whose images differ in brightness and contrast by
how they were taken (`--normalize image`).

    low, high = percentiles 0.5 and 99.5 of an image, over all pixels and channels together, so color is kept
    v' = round((v - low) top / (high - low)), clamped to 0 ... top        what everything sees
    v  = low + v' (high - low) / top                                      what is written

By definition at most 1 % of an image's pixels are clamped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["NORMALIZE", "Range", "check_normalize", "normalized", "range_of", "restored"]

NORMALIZE = ("none", "image")
_PERCENTILES = (0.5, 99.5)
_TOP = EIGHT_BITS.levels - 1


class Range(NamedTuple):
    """The levels of an image that become 0 and the highest level: its offset, and with it its gain."""

    low: float
    high: float

    def spread(self, image: Array) -> Array:
        """An image uint8 of any shape, spread from this range to all levels."""
        gain = _TOP / (self.high - self.low)
        return ((image - self.low) * gain).round().clip(0, _TOP).astype(np.uint8)


def check_normalize(how: str) -> None:
    """Raise InputError for anything but "none" and "image"."""
    if how not in NORMALIZE:
        raise InputError(f"--normalize {how}: expected one of {', '.join(NORMALIZE)}")


def range_of(image: Array) -> Range:
    """The range of an image; one of a single level has a gain of 1."""
    low, high = (float(level) for level in np.percentile(image, _PERCENTILES))
    return Range(low, high if high > low else low + _TOP)


def normalized(image: Array, how: str) -> Array:
    """An image as everything sees it: as it is, or spread from its own range."""
    return range_of(image).spread(image) if how == "image" else image


def restored(images: Tensor, ranges: Sequence[Range]) -> tuple[Array, list[int]]:
    """Images (B, C, H, W) on [-1, 1], brought to the range of each -> (B, H, W, C) uint8, and of each the
    number of values that no level could hold.
    """
    low = torch.tensor([one.low for one in ranges], device=images.device)[:, None, None, None]
    high = torch.tensor([one.high for one in ranges], device=images.device)[:, None, None, None]
    unit = (low + (images.float() + 1) / 2 * (high - low)) / EIGHT_BITS.half - 1
    beyond = (unit.abs() - 1) * EIGHT_BITS.half > 0.5  # else it rounds to a level that there is
    return EIGHT_BITS.from_unit(unit), beyond.sum(dim=(1, 2, 3)).tolist()

"""Scaling: how the levels of stored pixels become the numbers that networks see, and back.

    x = v / half - 1              v: 0 ... levels - 1,   half = (levels - 1) / 2,   x on [-1, 1]
    v = round((x + 1) half), clamped to the levels

Nothing else in the package knows how many levels a pixel has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelmint.types import Array

__all__ = ["EIGHT_BITS", "Scaling", "as_channels"]


@dataclass(frozen=True)
class Scaling:
    """The levels of pixels that are stored as uint8.

    Arguments:
        levels: number of levels, at most 256.
    """

    levels: int = 256

    @property
    def half(self) -> float:
        """Levels from the middle of the range to either end; one level is 1 / half on [-1, 1]."""
        return (self.levels - 1) / 2

    def to_unit(self, images: Array) -> Tensor:
        """Images (B, H, W, C) uint8 -> (B, C, H, W) floats in [-1, 1], in memory as the images were."""
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        # Of one channel both orders are one, but not its strides, of which gradients of weights would take theirs.
        ordered = pixels[..., 0].unsqueeze(1) if images.shape[3] == 1 else pixels.permute(0, 3, 1, 2)
        return ordered.float() / self.half - 1

    def from_unit(self, images: Tensor) -> Array:
        """Images (B, C, H, W) -> (B, H, W, C) uint8; what lies beyond [-1, 1] takes the nearest level."""
        levels = ((images.float() + 1) * self.half).round().clamp(0, self.levels - 1)
        pixels: Array = levels.byte().permute(0, 2, 3, 1).cpu().numpy()
        return pixels

    def rounded(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], each value at the nearest level."""
        return ((images + 1) * self.half).round().clamp(0, self.levels - 1) / self.half - 1

    def variance(self, images: Iterable[Array]) -> float:
        """Variance of all pixels of some images, uint8 of any shapes, on [-1, 1]."""
        values, counts = np.arange(self.levels), np.zeros(self.levels)
        for image in images:
            counts += np.bincount(image.ravel(), minlength=self.levels)
        mean = np.average(values, weights=counts)
        return float(np.average((values - mean) ** 2, weights=counts)) / self.half**2


EIGHT_BITS = Scaling()


def as_channels(image: Array, channels: int) -> Array:
    """An image (H, W, C) with that many channels: grey is repeated; raises ValueError for other changes."""
    if image.shape[2] == channels:
        return image
    if image.shape[2] != 1:
        raise ValueError(f"an image of {image.shape[2]} channels can't be given {channels}")
    return np.repeat(image, channels, axis=2)

"""Images of a network as pixels."""

from __future__ import annotations

from torch import Tensor

from labelmint.types import Array

__all__ = ["pixels_of"]


def pixels_of(images: Tensor) -> Array:
    """Images (B, C, H, W) in [-1, 1] -> (B, H, W, C) uint8, rounded; what lies beyond is cut off."""
    levels = ((images.float() + 1) * 127.5).round().clamp(0, 255).byte()
    pixels: Array = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pixels

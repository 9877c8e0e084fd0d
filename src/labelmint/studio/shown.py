"""Pictures as views show them: thumbnails, and doubt over an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelmint.pictures import overlay

if TYPE_CHECKING:
    from labelmint.types import AnnotatedImage, Array, ClassSet

__all__ = ["THUMBNAIL", "doubt_over", "pair_as", "thumbnail"]

THUMBNAIL = 160  # pixels of the longer side
_HEAT = (255, 106, 0)


def thumbnail(picture: Array, longest: int = THUMBNAIL) -> Array:
    """A picture (H, W, C) uint8 no larger than so many pixels; smaller ones as they are."""
    from PIL import Image

    factor = longest / max(picture.shape[:2])
    if factor >= 1:
        return picture
    plain = picture[:, :, 0] if picture.shape[2] == 1 else picture
    size = (max(round(picture.shape[1] * factor), 1), max(round(picture.shape[0] * factor), 1))
    return np.asarray(Image.fromarray(plain).resize(size, Image.Resampling.BOX)).reshape(size[1], size[0], -1)


def doubt_over(image: Array, doubt: Array) -> Array:
    """An image (H, W, C) uint8 in grey under its doubt (H, W): none is clear, 0.5 and more wholly orange."""
    grey = image.mean(axis=2, keepdims=True) * 0.7
    heat = (2 * doubt).clip(0, 1)[..., None]
    picture: Array = ((1 - heat) * grey + heat * np.array(_HEAT)).round().astype(np.uint8)
    return picture


def pair_as(pair: AnnotatedImage, classes: ClassSet, kind: str) -> Array | None:
    """The image of a pair ("image"), or its label over it ("overlay"); None for another kind."""
    if kind == "image":
        return pair.image
    return overlay(pair.image, pair.layout, classes) if kind == "overlay" else None

"""How an image and its maps come to the size of training: resizing, cropping, flips, right-angle turns and
zooms.

The same draw moves image and maps. Ids are never blended: a resized map takes the id at each new pixel's
center.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["AUGMENTATIONS", "Geometry", "mirrored_axes"]

AUGMENTATIONS = ("flips", "mirror", "turns", "zoom")
_ZOOM = 1.3


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Views of images (H, W, C) uint8 with maps (H, W) of ids.

    Arguments:
        size: (H, W) of a view.
        crop: cut views out of larger images instead of resizing the whole.
        scale: factor by which images are resized before they are cropped.
        augment: "flips" mirrors each axis half of the time, "mirror" left and right alone, "turns" turns by
            0, 90, 180 or 270 degrees, "zoom" magnifies by up to 1.3, and reduces by as much where the image
            reaches beyond the view.

    Raises InputError for sizes below 1, turns of a view that is not square, and unknown augmentations.
    """

    size: tuple[int, int]
    crop: bool = False
    scale: float = 1.0
    augment: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"--size {self.size[0]}x{self.size[1]}: expected at least 1x1")
        unknown = sorted(self.augment - set(AUGMENTATIONS))
        if unknown:
            raise InputError(f"--augment {unknown[0]}: unknown; known are {', '.join(AUGMENTATIONS)}")
        if "turns" in self.augment and self.size[0] != self.size[1]:
            raise InputError(
                f"--augment turns needs a square size, got {self.size[0]}x{self.size[1]}; leave out turns"
            )
        if not 0 < self.scale <= 8:
            raise InputError(f"--scale {self.scale:g}: expected more than 0 and at most 8")
        if self.scale != 1 and not self.crop:
            raise InputError(
                "--scale only has a meaning with --crop; without it images are resized to --size"
            )

    def fit(self, name: str, image: Array, maps: Sequence[Array]) -> tuple[Array, list[Array]]:
        """An image and its maps, resized to `size`, or with `crop` by `scale`; raises InputError when a crop
        does not fit in.
        """
        target = self.size
        if self.crop:
            target = (max(round(image.shape[0] * self.scale), 1), max(round(image.shape[1] * self.scale), 1))
            if target[0] < self.size[0] or target[1] < self.size[1]:
                raise InputError(
                    f"{name}: the image is {target[0]}x{target[1]} pixels, "
                    f"smaller than the crop of {self.size[0]}x{self.size[1]}; "
                    "take a smaller --size, a larger --scale, or leave out --crop"
                )
        if image.shape[:2] == target:
            return image, list(maps)
        return _resize(image, target), [_resize_ids(ids, target) for ids in maps]

    def draw(
        self, rng: np.random.Generator, image: Array, ids: Array, around: tuple[int, int] | None = None
    ) -> tuple[Array, Array]:
        """A random view of a fitted image (H, W, C) and one map (H, W); one of those that show the pixel
        `around`, if given.
        """
        if "zoom" in self.augment:
            image, ids = self._zoomed(rng, image, ids, around)
        else:
            ranges = zip(ids.shape, self.size, around or (None, None), strict=True)
            top, left = (
                int(rng.integers(first, last + 1)) for first, last in (_starts(*one) for one in ranges)
            )
            image, ids = self._cut(image, top, left), self._cut(ids, top, left)
        for axis in mirrored_axes(self.augment):
            if rng.random() < 0.5:
                image, ids = np.flip(image, axis), np.flip(ids, axis)
        if "turns" in self.augment:
            quarters = int(rng.integers(4))
            image, ids = np.rot90(image, quarters), np.rot90(ids, quarters)
        return image, ids

    def still(self, ids: Array) -> bool:
        """Whether every view of a fitted image with this map is the same."""
        return not self.augment and ids.shape == self.size

    def center(self, image: Array, ids: Array) -> tuple[Array, Array]:
        """The middle of a fitted image and its map."""
        top, left = ((have - want) // 2 for have, want in zip(ids.shape, self.size, strict=True))
        return self._cut(image, top, left), self._cut(ids, top, left)

    def _zoomed(
        self, rng: np.random.Generator, image: Array, ids: Array, around: tuple[int, int] | None
    ) -> tuple[Array, Array]:
        """A random cut of another size, brought to the size of views."""
        least = max(want / have for have, want in zip(ids.shape, self.size, strict=True))
        zoom = float(np.exp(rng.uniform(np.log(max(1 / _ZOOM, least)), np.log(_ZOOM))))
        height, width = (want / zoom for want in self.size)
        ranges = zip(ids.shape, (height, width), around or (None, None), strict=True)
        top, left = (rng.uniform(*_starts(*one)) for one in ranges)
        flat = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        seen = flat.resize(
            self.size[::-1], Image.Resampling.BILINEAR, box=(left, top, left + width, top + height)
        )
        rows, columns = (
            (start + (np.arange(want) + 0.5) / zoom).astype(int)
            for start, want in zip((top, left), self.size, strict=True)
        )
        return np.asarray(seen).reshape(*self.size, image.shape[2]), ids[rows[:, None], columns[None]]

    def _cut(self, values: Array, top: int, left: int) -> Array:
        return values[top : top + self.size[0], left : left + self.size[1]]


def mirrored_axes(augment: Collection[str]) -> tuple[int, ...]:
    """Those that are mirrored half of the time: rows 0, columns 1."""
    return (0, 1) if "flips" in augment else (1,) if "mirror" in augment else ()


def _starts(have: int, want: float, shown: int | None) -> tuple[Any, Any]:
    """The first and the last place where a cut of `want` pixels out of `have` can begin, so that it shows a
    given one.
    """
    room: Any = have - want
    return (0, room) if shown is None else (min(max(shown + 1 - want, 0), room), min(shown, room))


def _resize(image: Array, size: tuple[int, int]) -> Array:
    """Area averages where it shrinks, bicubic where it grows."""
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    flat = image[..., 0] if image.shape[2] == 1 else image
    resized = np.asarray(Image.fromarray(flat).resize((size[1], size[0]), method))
    return resized.reshape(*size, image.shape[2])


def _resize_ids(ids: Array, size: tuple[int, int]) -> Array:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, ids.shape, strict=True)
    )
    return np.ascontiguousarray(ids[rows[:, None], columns[None]])

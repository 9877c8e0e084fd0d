"""How an image, its maps and its boxes come to the size of training: resizing, cropping, flips, right-angle
turns and zooms.

One draw is one `Move`, which takes all of them to the same view. Ids are never blended: a resized map takes
the id at each new pixel's center.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from labelmint.datasets.moves import Move, clipped
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["AUGMENTATIONS", "Geometry", "mirrored_axes"]

AUGMENTATIONS = ("flips", "mirror", "turns", "zoom")
_ZOOM = 1.3


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Views of images (H, W, C) uint8 with maps (H, W) of ids and boxes (N, 5).

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

    def target(self, name: str, shape: tuple[int, int]) -> tuple[int, int]:
        """The size at which an image of (H, W) pixels is kept: `size`, or with `crop` that of the image times
        `scale`; raises InputError when a crop does not fit in.
        """
        if not self.crop:
            return self.size
        height, width = (max(round(side * self.scale), 1) for side in shape)
        if height < self.size[0] or width < self.size[1]:
            raise InputError(
                f"{name}: the image is {height}x{width} pixels, "
                f"smaller than the crop of {self.size[0]}x{self.size[1]}; "
                "take a smaller --size, a larger --scale, or leave out --crop"
            )
        return height, width

    def fit(self, name: str, image: Array, maps: Sequence[Array]) -> tuple[Array, list[Array]]:
        """An image (H, W, C) and its maps (H, W) at the size of `target`, and with its errors."""
        return self.fit_image(name, image), self.fit_maps(name, maps)

    def fit_image(self, name: str, image: Array) -> Array:
        """An image (H, W, C) at the size of `target`."""
        height, width = image.shape[:2]
        target = self.target(name, (height, width))
        return image if (height, width) == target else _resize(image, target)

    def fit_maps(self, name: str, maps: Sequence[Array]) -> list[Array]:
        """Maps (H, W) of one image at the size of `target`."""
        return [_resize_ids(ids, self.target(name, _shape(ids))) for ids in maps]

    def fit_boxes(self, name: str, boxes: Array, shape: tuple[int, int]) -> Array:
        """Boxes (N, 5), as `Move.boxes` has them, of an image that was (H, W) pixels, at the size of `target`."""
        target = self.target(name, shape)
        down, across = (new / old for new, old in zip(target, shape, strict=True))
        return clipped(boxes * [1, across, down, across, down], target)

    def move(
        self, rng: np.random.Generator, shape: tuple[int, int], around: tuple[int, int] | None = None
    ) -> Move:
        """A random view of a fitted image of (H, W) pixels; one of those that show the pixel `around`, if
        given.
        """
        zoom = None
        if "zoom" in self.augment:
            least = max(want / have for have, want in zip(shape, self.size, strict=True))
            zoom = float(np.exp(rng.uniform(np.log(max(1 / _ZOOM, least)), np.log(_ZOOM))))
        cut = self.size if zoom is None else tuple(want / zoom for want in self.size)
        ranges = [_starts(*one) for one in zip(shape, cut, around or (None, None), strict=True)]
        if zoom is None:
            top, left = (int(rng.integers(first, last + 1)) for first, last in ranges)
        else:
            top, left = (rng.uniform(first, last) for first, last in ranges)
        mirrored = tuple(axis for axis in mirrored_axes(self.augment) if rng.random() < 0.5)
        quarters = int(rng.integers(4)) if "turns" in self.augment else 0
        return Move(size=self.size, top=top, left=left, zoom=zoom, mirrored=mirrored, quarters=quarters)

    def middle(self, shape: tuple[int, int]) -> Move:
        """The middle of a fitted image of (H, W) pixels."""
        top, left = ((have - want) // 2 for have, want in zip(shape, self.size, strict=True))
        return Move(size=self.size, top=top, left=left)

    def draw(
        self, rng: np.random.Generator, image: Array, ids: Array, around: tuple[int, int] | None = None
    ) -> tuple[Array, Array]:
        """A random view of a fitted image (H, W, C) and one map (H, W), as `move` draws it."""
        move = self.move(rng, _shape(ids), around)
        return move.image(image), move.ids(ids)

    def center(self, image: Array, ids: Array) -> tuple[Array, Array]:
        """The middle of a fitted image and its map."""
        move = self.middle(_shape(ids))
        return move.image(image), move.ids(ids)

    def still(self, ids: Array) -> bool:
        """True if every view of a fitted image with this map is the same."""
        return not self.augment and ids.shape == self.size


def _shape(ids: Array) -> tuple[int, int]:
    height, width = ids.shape
    return int(height), int(width)


def mirrored_axes(augment: Collection[str]) -> tuple[int, ...]:
    """Axes that are mirrored half of the time: rows 0, columns 1."""
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
    if ids.shape == size:
        return ids
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, ids.shape, strict=True)
    )
    return np.ascontiguousarray(ids[rows[:, None], columns[None]])

"""Multi-MNIST: digits on a canvas, in the three compositions of the MSGNet paper (Section 4.2, Appendix A.1).

    three   three digits of any class
    pairs   two digits, only {6,4}, {7,2}, {5,1}, {8,0} or {9,3}, on a background with a grid
    upper   three digits of any class in the upper half

Digits never overlap. The label of a digit is its filled cell, never its stroke, as the paper fills boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout, LayoutObject

__all__ = ["COMPOSITIONS", "DIGIT_CLASSES", "PAIRS", "DigitSource", "compose", "default_digit_size", "split"]

PAIRS = ((6, 4), (7, 2), (5, 1), (8, 0), (9, 3))
COMPOSITIONS = ("three", "pairs", "upper")
DIGIT_CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), *(ClassInfo(id=d + 1, name=str(d)) for d in range(10)))
)
TRAIN_SHARE = 0.8
_GRID_LEVEL = 40


@dataclass(frozen=True)
class DigitSource:
    """Digits to draw from: images (N, h, w) uint8 in 0..255 and their classes (N,) 0..9, of training and of
    test.
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array

    def digit(self, rng: np.random.Generator, value: int, test: bool, size: int) -> Array:
        """A random digit of a class, (size, size) uint8."""
        images, labels = (
            (self.test_images, self.test_labels) if test else (self.train_images, self.train_labels)
        )
        index = rng.choice(np.flatnonzero(labels == value))
        return enlarge(images[index], size)


def enlarge(digit: Array, size: int) -> Array:
    """A digit at (size, size), smoothly."""
    return np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC))


def default_digit_size(composition: str, canvas: tuple[int, int]) -> int:
    """12 pixels on a canvas of 32 (10 where three have to fit side by side in the upper half), in proportion."""
    return (10 if composition == "upper" else 12) * min(canvas) // 32


def split(n: int) -> tuple[list[str], list[str]]:
    """Names of the training and of the test images: the first four fifths, and the rest; of two or more at least one
    is for testing.
    """
    names, count = [f"digits_{i:06d}" for i in range(n)], round(n * TRAIN_SHARE)
    count = min(count, n - 1) if n > 1 else count
    return names[:count], names[count:]


def compose(
    source: DigitSource,
    composition: str,
    n: int,
    *,
    canvas: tuple[int, int],
    digit_size: int | None,
    seed: int,
) -> Iterator[AnnotatedImage]:
    """n canvases; canvas i depends on (seed, composition, i) alone, but for its half of the source.

    Raises InputError for an unknown composition and for digits that can't be placed on the canvas.
    """
    if composition not in COMPOSITIONS:
        raise InputError(f"there is no composition {composition!r}; known: {', '.join(COMPOSITIONS)}")
    if n < 1:
        raise InputError(f"-n {n}: expected at least 1")
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    size = digit_size or default_digit_size(composition, canvas)
    area = (canvas[0] // 2, canvas[1]) if composition == "upper" else canvas
    count = 2 if composition == "pairs" else 3
    if size < 4 or size > min(area) or (area[0] // size) * (area[1] // size) < count:
        raise InputError(
            f"{count} digits of {size} pixels do not fit on {area[0]}x{area[1]} pixels; "
            "take a larger canvas or a smaller digit size"
        )
    train, _ = split(n)
    for i in range(n):
        rng = np.random.default_rng([seed, COMPOSITIONS.index(composition), i])
        yield _canvas(f"digits_{i:06d}", rng, source, composition, canvas, area, size, test=i >= len(train))


def _canvas(
    name: str,
    rng: np.random.Generator,
    source: DigitSource,
    composition: str,
    canvas: tuple[int, int],
    area: tuple[int, int],
    size: int,
    test: bool,
) -> AnnotatedImage:
    pixels = _grid(canvas) if composition == "pairs" else np.zeros(canvas, np.uint8)
    values = (
        PAIRS[rng.integers(len(PAIRS))] if composition == "pairs" else tuple(rng.integers(0, 10, 3).tolist())
    )
    labels, instances = np.zeros(canvas, np.uint8), np.zeros(canvas, np.uint8)
    objects = []
    for k, (value, (top, left)) in enumerate(zip(values, _places(rng, len(values), area, size), strict=True)):
        cell = (slice(top, top + size), slice(left, left + size))
        pixels[cell] = np.maximum(pixels[cell], source.digit(rng, int(value), test, size))
        labels[cell], instances[cell] = value + 1, k + 1
        box = (float(left), float(top), float(left + size), float(top + size))
        objects.append(LayoutObject(class_id=int(value) + 1, box=box))
    layout = Layout(label_map=labels, instances=instances, objects=tuple(objects))
    return AnnotatedImage(name=name, image=pixels[..., None], layout=layout)


def _grid(canvas: tuple[int, int]) -> Array:
    """Thin grey lines, four of them each way."""
    pixels, period = np.zeros(canvas, np.uint8), max(min(canvas) // 4, 2)
    pixels[period // 2 :: period] = _GRID_LEVEL
    pixels[:, period // 2 :: period] = _GRID_LEVEL
    return pixels


def _places(rng: np.random.Generator, count: int, area: tuple[int, int], size: int) -> list[tuple[int, int]]:
    """Corners (top, left) of cells that do not overlap: at random, and on a loose lattice when chance fails a
    hundred times.
    """
    for _ in range(100):
        places = [
            (int(rng.integers(0, area[0] - size + 1)), int(rng.integers(0, area[1] - size + 1)))
            for _ in range(count)
        ]
        apart = (
            max(abs(a[0] - b[0]), abs(a[1] - b[1])) >= size for k, a in enumerate(places) for b in places[:k]
        )
        if all(apart):
            return places
    # What a lattice leaves over is spread at random between its rows and columns, so that even a tight fit is
    # never one pattern.
    tops, lefts = _slots(rng, area[0], size), _slots(rng, area[1], size)
    slots = [(row, column) for row in tops for column in lefts]
    chosen = [slots[i] for i in rng.permutation(len(slots))[:count]]
    return [
        (int(rng.integers(row[0], row[1] + 1)), int(rng.integers(column[0], column[1] + 1)))
        for row, column in chosen
    ]


def _slots(rng: np.random.Generator, extent: int, size: int) -> list[tuple[int, int]]:
    """The first and last start of each of the intervals that fit into `extent`; wherever they start, they do
    not overlap.
    """
    count = extent // size
    inner = np.sort(rng.integers(0, extent - count * size + 1, count - 1)).tolist()
    bounds = [0, *inner, extent - count * size]
    return [(k * size + bounds[k], k * size + bounds[k + 1]) for k in range(count)]

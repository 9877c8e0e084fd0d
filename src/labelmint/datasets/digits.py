"""Real handwritten digits on a canvas, from scikit-learn's 8x8 digits, which are shipped with the package.

Data: Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), test part, UCI Machine Learning
Repository, CC BY 4.0, as distributed by scikit-learn: 1797 digits of 8x8 pixels with 17 levels of grey.
Training and test canvases draw from disjoint digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import numpy as np

from labelmint.datasets.canvas import COMPOSITIONS, DIGIT_CLASSES, DigitSource, compose, split
from labelmint.types import AnnotatedImage, Array

__all__ = ["COMPOSITIONS", "DIGIT_CLASSES", "digit_source", "make_digits", "original_digits", "split"]


def original_digits() -> tuple[Array, Array]:
    """Images (1797, 8, 8) uint8 in 0..16 and classes (1797,) 0..9, in their original order."""
    file = resources.files("labelmint.datasets") / "data" / "digits.npz"
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as archive:
        return archive["images"], archive["labels"]


@cache
def digit_source() -> DigitSource:
    """Four fifths of each class for training, the rest for test, by a fixed draw."""
    images, labels = original_digits()
    scaled = (images.astype(np.float64) * (255 / 16)).round().astype(np.uint8)
    test = np.zeros(len(labels), bool)
    rng = np.random.default_rng(1998)
    for value in range(10):
        members = rng.permutation(np.flatnonzero(labels == value))
        test[members[: len(members) // 5]] = True
    return DigitSource(scaled[~test], labels[~test], scaled[test], labels[test])


def make_digits(
    composition: str,
    n: int,
    *,
    canvas: tuple[int, int] = (32, 32),
    digit_size: int | None = None,
    seed: int = 0,
) -> Iterator[AnnotatedImage]:
    """n grey canvases named digits_000000 ..., the first four fifths (`split`) of training digits, the rest
    of test digits.
    """
    return compose(digit_source(), composition, n, canvas=canvas, digit_size=digit_size, seed=seed)

"""Images that are alike: identical ones by their bytes, near-duplicates by how they look from afar.

An image is shrunk to 16x16 grey by area averages g and standardized, z = (g - mean) / (16 std), so that the
product of two is their correlation. Images are near-duplicates where it exceeds a threshold: changes of
brightness, contrast, size or compression do not hide a copy. Flat images, which have nothing to correlate,
are compared by their bytes only.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from labelmint.types import Array

__all__ = ["Lookalikes", "digest_of", "near_duplicates", "view_from_afar"]

SIDE = 16
ALIKE = 0.99  # correlation
_FLAT = 1.0  # grey levels of standard deviation
_BLOCK = 1024  # rows of a product at most
_NUMBERS = _BLOCK * 20_000  # of a product at most
_MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Lookalikes:
    """Pairs of indices (P, 2), first < second, and whether these are all or the first of many."""

    pairs: Array
    complete: bool


def digest_of(image: Array) -> bytes:
    """SHA-256 of shape and pixels of an image (H, W, C)."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()


def view_from_afar(image: Array) -> Array:
    """An image (H, W, C) uint8 as 256 standardized grey values, float32 of length 1, or all 0 where it is
    flat.
    """
    grey = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64).ravel()
    small -= small.mean()
    return (small / (small.std() * SIDE) if small.std() > _FLAT else np.zeros_like(small)).astype(np.float32)


def near_duplicates(views: Array, digests: Sequence[bytes], alike: float = ALIKE) -> Lookalikes:
    """All pairs of images that are identical or correlate above `alike`.

    Arguments:
        views: (N, 256), by `view_from_afar`.
        digests: N, by `digest_of`.
        alike: the least correlation, in [-1, 1].

    A matrix product in blocks: 20,000 images take seconds, and never more than 80 MB at once. At most 100,000
    pairs are kept.
    """
    found, count = [_identical(digests)], 0
    rows_at_once = min(max(_NUMBERS // max(len(views), 1), 1), _BLOCK)
    for first in range(0, len(views), rows_at_once):
        close = views[first : first + rows_at_once] @ views[first:].T > alike
        rows, columns = np.nonzero(np.triu(close, 1))
        found.append(np.stack([rows, columns], axis=1) + first)
        count += len(rows)
        if count > _MOST_PAIRS:
            break
    pairs = np.unique(np.concatenate(found), axis=0)
    return Lookalikes(pairs[:_MOST_PAIRS], count <= _MOST_PAIRS and len(pairs) <= _MOST_PAIRS)


def _identical(digests: Sequence[bytes]) -> Array:
    """Each image with the first of the same bytes, (P, 2)."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for index, digest in enumerate(digests):
        same[digest].append(index)
    return np.array([(group[0], other) for group in same.values() for other in group[1:]], np.int64).reshape(
        -1, 2
    )

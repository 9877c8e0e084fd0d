"""The rule by which an item counts as a copy, as `memorization` defines it: ratio, grain, flatness, and the
threshold that real held-out items set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = [
    "CERTAIN",
    "FLAT",
    "HIGHEST_THRESHOLD",
    "LOWEST_THRESHOLD",
    "NOISE",
    "NO_NEARER",
    "CopyRule",
    "calibrate",
    "deviations",
    "grains",
    "halves",
    "ratios",
    "without_grain",
]

NOISE = 1.0
CERTAIN = 0.5
NO_NEARER = 0.9
FLAT = 2.0
HIGHEST_THRESHOLD = 0.75
LOWEST_THRESHOLD = 0.4


@dataclass(frozen=True, kw_only=True)
class CopyRule:
    """When an item counts as a copy, by distances that may be freed of grain (`without_grain`).

    Attributes:
        threshold: on the ratio; what lies below is a copy.
        ratios: of the real held-out items that the threshold was set on, flat ones left out.
        noise: e of the ratio. certain: a distance to the training items below which an item is a copy at any
            ratio below 0.9.
    """

    threshold: float
    ratios: npt.NDArray[np.float64]
    noise: float = NOISE
    certain: float = CERTAIN

    def judge(
        self, to_training: Array, to_held_out: Array, flat: Array | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which of N items are copies, from their distances (N,) to both sets, and which of them are flat
        (N,).
        """
        found = ratios(to_training, to_held_out, self.noise)
        copies = (found < self.threshold) | ((np.asarray(to_training) < self.certain) & (found < NO_NEARER))
        return np.asarray(copies if flat is None else copies & ~np.asarray(flat))


def ratios(to_training: Array, to_held_out: Array, noise: float = NOISE) -> npt.NDArray[np.float64]:
    """(d(q, training) + noise) / (d(q, held out) + noise) of N items; `noise` > 0 on the scale of the
    distances.
    """
    return (np.asarray(to_training, np.float64) + noise) / (np.asarray(to_held_out, np.float64) + noise)


def without_grain(distances: Array, grain: Array) -> npt.NDArray[np.float64]:
    """Distances (N,) without what the grain (N,) of the queries adds to them."""
    return np.asarray(np.sqrt(np.maximum(np.square(distances) - np.square(grain), 0)), np.float64)


def grains(images: Sequence[Array] | Array) -> npt.NDArray[np.float64]:
    """Deviation of the noise of each image (H, W, C), in grey levels, as means of 3x3 pixels show it: (N,).

    The second difference of second differences of white noise has 6 times its deviation; means of 3x3 pixels
    a third of it.
    """
    from scipy import ndimage  # slow to import, and drawing does without

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)[..., None]
    return np.array(
        [
            np.median(np.abs(ndimage.convolve(image.astype(np.float32), kernel))) / 0.6745 / 6 / 3
            for image in images
        ]
    )


def deviations(images: Sequence[Array] | Array) -> npt.NDArray[np.float64]:
    """How far the pixels of each image (H, W, C) lie from its mean color, RMS in grey levels: (N,)."""
    return np.array([np.sqrt(np.var(image, axis=(0, 1), dtype=np.float64).mean()) for image in images])


def halves(groups: Sequence[str]) -> npt.NDArray[np.bool_]:
    """True for the items of one half of the groups: every other one in the order of their hashes. Needs two
    groups.
    """
    order = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())
    if len(order) < 2:
        raise InputError(
            f"a threshold for copies needs at least 2 held-out groups (patients, slides), to compare them "
            f"with each other; got "
            f"{len(order)}; put more of them into test.txt"
        )
    first = set(order[::2])
    return np.array([group in first for group in groups])


def calibrate(
    to_training: Array,
    to_held_out: Array,
    flat: Array | None = None,
    *,
    share: float = 0.01,
    noise: float = NOISE,
    certain: float = CERTAIN,
) -> CopyRule:
    """The rule under which at most a share of real held-out items have the ratio of a copy.

    Arguments:
        to_training: distances (M,) of the real items to the nearest training item.
        to_held_out: distances (M,) to the nearest held-out item of the other half (`halves`), never of their
            own group.
        flat: (M,) items that say nothing, left out.
        share: in [0, 1).
        noise, certain: of the rule, on the scale of the distances; for features choose them anew, and certain
            = 0.

    Raises InputError when no item is left or a value is out of its range.
    """
    if not 0 <= share < 1 or noise <= 0 or certain < 0:
        raise InputError(
            f"a rule for copies needs 0 <= share < 1, noise > 0 and certain >= 0; got {share}, {noise} and "
            f"{certain}"
        )
    real = ratios(to_training, to_held_out, noise)
    real = real if flat is None else real[~np.asarray(flat)]
    if len(real) == 0:
        raise InputError("a threshold for copies needs held-out images that are not flat; none is left")
    threshold = min(max(float(np.sort(real)[int(share * len(real))]), LOWEST_THRESHOLD), HIGHEST_THRESHOLD)
    return CopyRule(threshold=threshold, ratios=real, noise=noise, certain=certain)

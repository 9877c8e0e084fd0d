"""What images look like, in numbers by which kinds are told apart: one block of features each for

    scale       ln(share of the power + 1e-4) in 8 rings of the spectrum: below 0.06 cycles a pixel, six up to 0.5, and
                the corners beyond
    contrast    the 1, 5, 25, 50, 75, 95 and 99 % quantiles of the grey values, on [0, 1]
    color       mean and standard deviation of red - green, and of (red + green) / 2 - blue, on [-1, 1]; 0 where grey

Blocks are joined so that the weight of each is its share in the mean squared distance of two images:

    d(i, j)^2 = sum_b w_b |x_b(i) - x_b(j)|^2 / (2 var_b)         var_b: summed over the features of the block
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from labelmint.types import Array

__all__ = ["color", "contrast", "joined", "scale"]

Floats = npt.NDArray[np.float64]

RINGS = np.geomspace(1 / 24, 0.5, 8)  # where each but the first begins; cycles a pixel
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_FAINT = 1e-4


def _grey(image: Array) -> Floats:
    found: Floats = image.astype(np.float64).mean(axis=2) / 255
    return found


def scale(image: Array) -> Floats:
    """The spectrum (8,) of an image (H, W, C) uint8."""
    grey = _grey(image)
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in grey.shape))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    rows, columns = (np.fft.fftfreq(side) for side in grey.shape)
    ring = np.searchsorted(RINGS[1:], np.hypot(rows[:, None], columns[None]), side="right")
    found = np.bincount(ring.ravel(), power.ravel(), len(RINGS))
    spectrum: Floats = np.log(found / max(found.sum(), 1e-12) + _FAINT)
    return spectrum


def contrast(image: Array) -> Floats:
    """The quantiles (7,) of an image (H, W, C) uint8."""
    found: Floats = np.quantile(_grey(image), QUANTILES)
    return found


def color(image: Array) -> Floats:
    """The opponent colors (4,) of an image (H, W, C) uint8."""
    if image.shape[2] == 1:
        return np.zeros(4)
    red, green, blue = np.moveaxis(image.astype(np.float64) / 255, 2, 0)
    opponents = (red - green, (red + green) / 2 - blue)
    return np.array([value for one in opponents for value in (one.mean(), one.std())])


def joined(blocks: Mapping[str, Floats], weights: Mapping[str, float], first: int | None = None) -> Floats:
    """Blocks (N, D_b) as one array (N, D), in which a squared distance is that of the module's docstring.

    Arguments:
        first: how many images, the first ones, say what the variance is; None for all.
    """
    parts = []
    for name, block in blocks.items():
        some = block[:first]
        spread = 2 * some.var(axis=0).sum()
        parts.append((block - some.mean(axis=0)) * np.sqrt(weights[name] / max(spread, 1e-12)))
    return np.concatenate(parts, axis=1)

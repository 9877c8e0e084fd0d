"""How near an image is to the one that it should be: PSNR and SSIM.

    PSNR = 10 log10(255^2 / mean (x - y)^2)                                                            in dB
    SSIM = mean (2 mu_x mu_y + c1)(2 s_xy + c2) / ((mu_x^2 + mu_y^2 + c1)(s_x^2 + s_y^2 + c2))

with the means, variances and covariance of a Gaussian window of 11x11 pixels and 1.5 pixels' deviation, c1 = (0.01
255)^2, c2 = (0.03 255)^2, at every place where the window lies inside, and the mean over channels. All channels count,
and no edge is cut off; papers on super-resolution often take the luminance alone and leave some pixels of the edge out.

References:
    Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004)
"""

from __future__ import annotations

import numpy as np

from labelmint.types import Array

__all__ = ["MOST_PSNR", "psnr", "ssim"]

MOST_PSNR = 100.0  # of equal images
_LEVELS, _WINDOW, _DEVIATION = 255.0, 11, 1.5


def psnr(made: Array, true: Array) -> float:
    """PSNR of two images (H, W, C) uint8, in dB; `MOST_PSNR` where they are equal."""
    error = float(np.mean((made.astype(np.float64) - true.astype(np.float64)) ** 2))
    return min(10 * float(np.log10(_LEVELS**2 / error)), MOST_PSNR) if error else MOST_PSNR


def ssim(made: Array, true: Array) -> float:
    """SSIM of two images (H, W, C) uint8, at most 1; NaN where a side has fewer than 11 pixels."""
    if min(made.shape[:2]) < _WINDOW:
        return float("nan")
    x, y = made.astype(np.float64), true.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    spread, shared = _blurred(x * x + y * y) - squares, _blurred(x * y) - product
    c1, c2 = (0.01 * _LEVELS) ** 2, (0.03 * _LEVELS) ** 2
    return float(np.mean((2 * product + c1) * (2 * shared + c2) / ((squares + c1) * (spread + c2))))


def _blurred(image: Array) -> Array:
    """Gaussian means (H - 10, W - 10, C) of (H, W, C)."""
    places = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(places**2) / (2 * _DEVIATION**2))
    weights /= weights.sum()
    for axis in (0, 1):
        count = image.shape[axis] - _WINDOW + 1
        parts = (w * image.take(range(k, k + count), axis) for k, w in enumerate(weights))
        image = sum(parts, np.zeros(()))
    return image

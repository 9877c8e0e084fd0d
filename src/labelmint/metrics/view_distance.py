"""The distance between a query and a view, as `nearest_view` defines it: smoothed, with brightness and contrast
forgiven; and the 8 orientations of a view.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from labelmint.types import Array

__all__ = ["GAIN", "fitted_distance", "smoothed", "turned", "turned_back", "unexplained"]

GAIN = (2 / 3, 3 / 2)


def turned(images: Array, orientation: int) -> Array:
    """Images (..., H, W, C), mirrored left to right if orientation >= 4, then turned left by orientation % 4
    right angles.
    """
    mirrored = images[..., ::-1, :] if orientation >= 4 else images
    return np.rot90(mirrored, orientation % 4, axes=(-3, -2))


def turned_back(images: Array, orientation: int) -> Array:
    """Undoes `turned`; a reflection undoes itself."""
    return turned(images, orientation if orientation >= 4 else -orientation % 4)


def smoothed(images: Array) -> npt.NDArray[np.float32]:
    """Means over all windows of 3x3 pixels: (..., H, W, C) -> (..., H - 2, W - 2, C)."""
    values = np.asarray(images, np.float32)
    rows = values[..., :-2, :, :] + values[..., 1:-1, :, :] + values[..., 2:, :, :]
    return np.asarray((rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]) / 9)


def fitted_distance(query: Array, view: Array) -> float:
    """d(query, view) of two arrays (H, W, C) of one shape, H and W at least 3."""
    q, v = (smoothed(item).astype(np.float64) for item in (query, view))
    q, v = q - q.mean(), v - v.mean()
    spread = np.mean(v * v)
    gain = np.clip(np.mean(q * v) / spread, *GAIN) if spread > 0 else 1.0
    return float(np.sqrt(np.mean((q - gain * v) ** 2)))


def unexplained(query: Array, regions: Array) -> npt.NDArray[np.float64]:
    """g^2 var(v) - 2 g cov(q, v) of a query (H, W, C) and all views v in regions (K, H + down, W + across, C):
    (K, down + 1, across + 1).
    """
    from scipy import fft  # slow to import, and drawing does without

    values, query = regions - np.float32(regions.mean()), query - np.float32(query.mean())
    height, width, channels = query.shape
    down, across = values.shape[1] - height + 1, values.shape[2] - width + 1
    # Sums of products with all windows, by the Fourier transform; windows that wrap around lie behind the
    # others.
    shape = [fft.next_fast_len(side, real=True) for side in values.shape[1:3]]
    spectrum = fft.rfft2(values, shape, axes=(1, 2)) * np.conj(fft.rfft2(query, shape, axes=(0, 1)))
    # products with ones: faster than sums over 3 channels
    ones, count = np.ones(channels, np.float32), query.size
    covariance = fft.irfft2(spectrum @ ones, shape, axes=(1, 2))[:, :down, :across] / count
    mean, square = (_sums(each @ ones, (height, width)) / count for each in (values, np.square(values)))
    spread = np.maximum(square - mean**2, 0)
    gain = np.clip(covariance / np.maximum(spread, 1e-9), *GAIN)
    return np.asarray(gain * (gain * spread - 2 * covariance), np.float64)


def _sums(values: Array, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Sums of (K, H, W) over all windows of a size, by matrix products with ones where a window lies."""
    rows, columns = (_windows(side, whole) for side, whole in zip(size, values.shape[1:], strict=True))
    return np.asarray(rows.T @ (values.astype(np.float64) @ columns))


@cache
def _windows(side: int, whole: int) -> npt.NDArray[np.float64]:
    """(whole, positions): 1 where a position lies in a window of that side, else 0."""
    ahead = np.arange(whole)[:, None] - np.arange(whole - side + 1)
    return ((ahead >= 0) & (ahead < side)).astype(np.float64)

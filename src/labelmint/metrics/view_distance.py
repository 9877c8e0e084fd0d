"""The distance between a query and a view, as `nearest_view` defines it: smoothed, with brightness and contrast
forgiven; and the 8 orientations of a view.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from labelmint.types import Array

__all__ = ["GAIN", "fitted_distance", "smoothed", "turned", "turned_back", "unexplained"]

GAIN = (2 / 3, 3 / 2)
_FEW_SHIFTS = 17 * 17  # up to here products of matrices are faster than Fourier transforms


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
    values, query = regions - np.float32(regions.mean()), query - np.float32(query.mean())
    height, width, channels = query.shape
    shifts = (values.shape[1] - height + 1) * (values.shape[2] - width + 1)
    products = (_products if shifts <= _FEW_SHIFTS else _products_by_fourier)(query, values)
    # products with ones: faster than sums over 3 channels
    ones, count = np.ones(channels, np.float32), query.size
    mean, square = (_sums(each @ ones, (height, width)) / count for each in (values, np.square(values)))
    spread, covariance = np.maximum(square - mean**2, 0), products / count
    gain = np.clip(covariance / np.maximum(spread, 1e-9), *GAIN)
    return np.asarray(gain * (gain * spread - 2 * covariance), np.float64)


def _products(query: Array, regions: Array) -> Array:
    """Sums of products of a query (H, W, C) with all windows of regions (K, H + down, W + across, C): matrix
    products of the rows that a window lies in with the query at each place across them. PyTorch's, whose threads
    are those asked for.
    """
    import torch

    height, width, channels = query.shape
    count, _, whole, _ = regions.shape
    across = whole - width + 1
    placed = np.zeros((across, height, whole, channels), np.float32)
    for left in range(across):
        placed[left, :, left : left + width] = query
    queries, row = torch.from_numpy(placed.reshape(across, -1)).T, whole * channels
    flat = torch.from_numpy(np.ascontiguousarray(regions).reshape(count, -1))
    tops = range(regions.shape[1] - height + 1)
    found = torch.stack([flat[:, top * row : (top + height) * row] @ queries for top in tops], dim=1)
    return np.asarray(found.numpy())


def _products_by_fourier(query: Array, regions: Array) -> Array:
    """The same by the Fourier transform, where there are many windows; those that wrap around lie behind the
    others.
    """
    height, width, channels = query.shape
    down, across = regions.shape[1] - height + 1, regions.shape[2] - width + 1
    shape = [fft.next_fast_len(side, real=True) for side in regions.shape[1:3]]
    spectrum = fft.rfft2(regions, shape, axes=(1, 2)) * np.conj(fft.rfft2(query, shape, axes=(0, 1)))
    products = fft.irfft2(spectrum @ np.ones(channels, np.float32), shape, axes=(1, 2))
    return np.asarray(products[:, :down, :across])


def _sums(values: Array, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Sums of (K, H, W) over all windows of a size, by matrix products with ones where a window lies."""
    rows, columns = (_windows(side, whole) for side, whole in zip(size, values.shape[1:], strict=True))
    return np.asarray(rows.T @ (values.astype(np.float64) @ columns))


@cache
def _windows(side: int, whole: int) -> npt.NDArray[np.float64]:
    """(whole, positions): 1 where a position lies in a window of that side, else 0."""
    ahead = np.arange(whole)[:, None] - np.arange(whole - side + 1)
    return ((ahead >= 0) & (ahead < side)).astype(np.float64)

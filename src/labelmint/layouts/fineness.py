"""How fine images are, by their radial spectra, and the zoom that makes one as fine as another.

    P(log f) = log of the mean power at a distance f from zero,    an image magnified by z: P(log f + log z) + constant
    z* = argmin_z  Var_f[P_x(log f + log z) - P_y(log f)] + w (log z)^2,    1/3 <= z <= 3

The constant, which the variance leaves out, is the contrast. The frequencies are those that both have; the second term
decides where spectra follow one power law, which looks alike at any zoom.
"""

from __future__ import annotations

import math

import numpy as np

from labelmint.types import Array

__all__ = ["MOST_ZOOM", "fitting_zooms", "radial_spectrum"]

MOST_ZOOM = 3.0
_BINS = 64  # of log f from 1/128 to 1/2
_LOWEST, _HIGHEST = 1 / 128, 1 / 2
_FEWEST = 20  # bins that both have
_WEIGHT = 0.02  # w
_STEP = math.log(_HIGHEST / _LOWEST) / (_BINS - 1)


def radial_spectrum(image: Array) -> Array:
    """P (64,) of an image (H, W, C) at 64 frequencies from 1/128 to 1/2 a pixel, evenly by their logarithm; NaN where
    the image is too small to tell.
    """
    grey = image.astype(np.float64).mean(axis=2)
    grey -= grey.mean()
    power = np.abs(np.fft.fft2(grey * np.outer(*(np.hanning(side + 2)[1:-1] for side in grey.shape)))) ** 2
    down, across = (np.fft.fftfreq(side) for side in grey.shape)
    distance = np.hypot(down[:, None], across[None])
    rings = max(min(grey.shape) // 2, 1)
    which = np.minimum(np.round(distance * 2 * rings).astype(int), rings + 1)
    count, total = (
        np.bincount(which.ravel(), some, rings + 2)[1 : rings + 1] for some in (None, power.ravel())
    )
    known = np.log(total / np.maximum(count, 1) + 1e-3)
    at = np.log(np.arange(1, rings + 1) / (2 * rings))
    wanted = np.linspace(math.log(_LOWEST), math.log(_HIGHEST), _BINS)
    found: Array = np.interp(wanted, at, known, left=np.nan)
    return found


def fitting_zooms(spectra: Array, others: Array) -> Array:
    """z* (P, Q) that makes images of spectra (P, 64) as fine as those of others (Q, 64); 1 where neither can tell."""
    most = int(math.log(MOST_ZOOM) / _STEP)
    best = np.full((len(spectra), len(others)), np.inf)
    zooms = np.ones_like(best)
    for shift in sorted(range(-most, most + 1), key=abs):
        moved = np.full_like(spectra, np.nan)
        source = slice(max(shift, 0), _BINS + min(shift, 0))
        moved[:, max(-shift, 0) : _BINS - max(shift, 0)] = spectra[:, source]
        apart = moved[:, None] - others[None]
        there = np.isfinite(apart)
        count = np.maximum(there.sum(axis=2), 1)
        apart = np.where(there, apart, 0.0)
        mean = apart.sum(axis=2) / count
        cost = (apart**2).sum(axis=2) / count - mean**2 + _WEIGHT * (shift * _STEP) ** 2
        better = (cost < best) & (count >= _FEWEST)
        best[better], zooms[better] = cost[better], math.exp(shift * _STEP)
    return zooms

"""The look of one image given to another: its levels, its large-scale brightness, or its mean and spread.

    histogram   x' = F_y^-1(F_x(x)), below and above Otsu's threshold of each on its own, so that an image with few
                bright objects can take the look of one with many
    residual    x' = x + blur(y - x), for images that show the same things in the same places
    reinhard    x' = (x - mean x) std y / std x + mean y, a channel each

A channel each; a grey donor makes the image grey first. Where the levels of the image turned upside down fit those of
the donor better, dark objects on bright ground for bright ones on dark, they are turned so before.

References:
    Color transfer between images (Reinhard et al., 2001), IEEE Computer Graphics and Applications 21(5)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from labelmint.types import Array

__all__ = ["LOOKS", "histogram", "reinhard", "residual", "upside_down"]

_LEVELS = 256
_BLUR = 1 / 6  # of the shorter side
_SMOOTH = 0.04  # of the range of the levels
_FLAT = 0.5  # standard deviation in levels
_LEAST_SKEWNESS = 0.3
_COLORED = 4.0  # levels between the channels of an image that is colored, on average
_MOST_GAIN = 8.0


def histogram(image: Array, donor: Array) -> Array:
    """The image (H, W, C) with the levels of a donor (h, w, C); floats from 0 to 255, as all of these are. A donor of
    one color has no look to give: the image keeps its own.
    """
    if np.ptp(donor, axis=(0, 1)).max() < 1:
        return image
    image = _ready(image, donor)
    return np.stack(
        [_matched(image[..., channel], donor[..., channel]) for channel in range(image.shape[2])], axis=2
    )


def residual(image: Array, donor: Array) -> Array:
    """The image (H, W, C) with the large-scale brightness and color of a donor of the same size."""
    from scipy.ndimage import gaussian_filter  # slow to import, and systems are listed without

    sigma = _BLUR * min(image.shape[:2])
    added: Array = gaussian_filter(donor - image, (sigma, sigma, 0), mode="reflect")
    found: Array = np.clip(image + added, 0, _LEVELS - 1)
    return found


def reinhard(image: Array, donor: Array) -> Array:
    """The image (H, W, C) with the mean and the spread of each channel of a donor (h, w, C)."""
    image = _ready(image, donor)
    axes = (0, 1)
    gain = np.minimum(donor.std(axis=axes) / np.maximum(image.std(axis=axes), 1e-6), _MOST_GAIN)
    found: Array = (image - image.mean(axis=axes)) * gain + donor.mean(axis=axes)
    return np.clip(found, 0, _LEVELS - 1)


LOOKS: Mapping[str, Callable[[Array, Array], Array]] = {
    "histogram": histogram,
    "residual": residual,
    "reinhard": reinhard,
}


def upside_down(image: Array, donor: Array) -> bool:
    """True if the levels of an image turned upside down fit those of a donor better: by the skewness of the two."""
    return bool(_skewness(image.mean(axis=2)) * _skewness(donor.mean(axis=2)) < 0)


def _ready(image: Array, donor: Array) -> Array:
    """The image as colored and as upright as the donor."""
    if image.shape[2] > 1 and np.ptp(donor, axis=2).mean() < _COLORED:
        image = np.repeat(image.mean(axis=2, keepdims=True), image.shape[2], axis=2)
    return _LEVELS - 1 - image if upside_down(image, donor) else image


def _skewness(grey: Array) -> float:
    """Mean cubed deviation in standard deviations; 0 where it is small, or where there is nothing to see."""
    spread = float(grey.std())
    found = float((((grey - grey.mean()) / spread) ** 3).mean()) if spread > _FLAT else 0.0
    return found if abs(found) > _LEAST_SKEWNESS else 0.0


def _matched(channel: Array, donor: Array) -> Array:
    """One channel (H, W) with the levels of another; one of a single level, which has no halves, with their median."""
    own, its = _halves(channel), _halves(donor)
    levels, table = np.flatnonzero(own[0] + own[1]), np.zeros(_LEVELS)
    if len(levels) == 1:
        return np.full_like(channel, np.median(donor))
    for mine, theirs in zip(own, its, strict=True):
        there = np.flatnonzero(mine)
        if len(there):
            # The middle of a level's share, so that one level alone takes the median of the donor's.
            shares = (mine.cumsum() - mine / 2)[there] / mine.sum()
            known = theirs if theirs.sum() else its[0] + its[1]
            of = np.flatnonzero(known)
            table[there] = np.interp(shares, (known.cumsum() - known / 2)[of] / known.sum(), of)
    from scipy.ndimage import gaussian_filter1d

    every = np.interp(np.arange(_LEVELS), levels, np.maximum.accumulate(table[levels]))
    # Without a jump at the threshold, which would cut objects out of their ground.
    smooth = gaussian_filter1d(every, _SMOOTH * float(np.ptp(levels)), mode="nearest")
    found: Array = np.interp(channel, np.arange(_LEVELS), smooth)
    return found


def _halves(channel: Array) -> tuple[Array, Array]:
    """Counts (256,) of the levels below Otsu's threshold, and of those above."""
    counts = np.bincount(np.round(channel).astype(int).clip(0, _LEVELS - 1).ravel(), minlength=_LEVELS)
    below, levels = counts.cumsum(), np.arange(_LEVELS)
    above = below[-1] - below
    sums = (counts * levels).cumsum()
    apart = sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)
    threshold = int(np.argmax(below * above * apart**2))
    return np.where(levels <= threshold, counts, 0), np.where(levels > threshold, counts, 0)

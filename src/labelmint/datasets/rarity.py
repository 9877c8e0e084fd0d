"""How rare the look of a class is in an image: one over the density of its mean color there.

    c_k(p) = mean color of class p in image k                                                      (1)
    D_p(c) = mean over k of N(c; c_k(p), h_p^2 C_p),    h_p = n_p^(-1 / (d + 4))                   (2)
    R_p(k) = 1 / D_p(c_k(p)),    0 where image k does not show p                                   (3)
    C_p = (n_p S_p + (d + 1) S) / (n_p + d + 1) + I                                                (4)

over the n_p images that show class p, in d channels of 256 levels. S_p is the covariance of its mean colors, S that of
all classes around their own means. So (4) is the covariance of the class where many images show it, as in a plain
Gaussian kernel density estimate with Scott's bandwidth h, and is defined where one image does, or where all have one
color: a level of each channel is the least deviation.

References:
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019), supplement, appendix A
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelmint.types import Array

__all__ = ["Rarity", "density", "rarity_of"]

_AT_ONCE = 1024  # rows of a matrix of distances


@dataclass(frozen=True, kw_only=True, eq=False)
class Rarity:
    """The scores of N images and K classes.

    Arguments:
        classes: the K classes. scores: (N, K), R above; 0 where an image does not show a class.
        areas: (K,) pixels of each class in all images.
        class_of: (S,) the place in `classes` of each id.
    """

    classes: tuple[int, ...]
    scores: Array
    areas: Array
    class_of: Array

    @property
    def of_ids(self) -> Array:
        """Scores (N, S) by the id of a pixel, each image's scores divided by its highest: in [0, 1]."""
        scores: Array = self.scores / np.maximum(self.scores.max(axis=1, keepdims=True), np.finfo(float).tiny)
        return scores[:, self.class_of]


def rarity_of(images: Sequence[Array], ids: Sequence[Array], class_of: Mapping[int, int]) -> Rarity:
    """The scores of images (H, W, C) uint8 of any sizes with maps (H, W).

    Arguments:
        class_of: the class of each id; an id that it lacks is a class of its own, by a number below 0.
    """
    most = max(int(one.max()) for one in ids) + 1
    owners = [class_of.get(k, -1 - k) for k in range(most)]
    classes = tuple(sorted(set(owners)))
    lookup = np.array([classes.index(owner) for owner in owners])
    colors, areas = _mean_colors(images, ids, lookup, len(classes))
    seen = areas > 0
    apart = [
        colors[seen[:, k], k] - colors[seen[:, k], k].mean(axis=0)
        for k in range(len(classes))
        if seen[:, k].any()
    ]
    pooled = _covariance(np.concatenate(apart))
    scores = np.zeros(areas.shape)
    for k in range(len(classes)):
        if seen[:, k].any():
            scores[seen[:, k], k] = 1 / density(colors[seen[:, k], k], pooled)
    return Rarity(classes=classes, scores=scores, areas=areas.sum(axis=0), class_of=lookup)


def density(colors: Array, pooled: Array) -> Array:
    """Equation (2) at each of n colors (n, d) among them all, with the covariance (4).

    Arguments:
        pooled: S, (d, d).
    """
    count, depth = colors.shape
    own = _covariance(colors - colors.mean(axis=0))
    spread = (count * own + (depth + 1) * pooled) / (count + depth + 1) + np.eye(depth)
    spread = spread * count ** (-2 / (depth + 4))
    white = colors @ np.linalg.inv(np.linalg.cholesky(spread)).T
    total = np.empty(count)
    for first in range(0, count, _AT_ONCE):
        some = white[first : first + _AT_ONCE]
        apart = np.square(some[:, None] - white[None]).sum(axis=2)
        total[first : first + _AT_ONCE] = np.exp(-apart / 2).mean(axis=1)
    found: Array = total / np.sqrt((2 * np.pi) ** depth * np.linalg.det(spread))
    return found


def _covariance(centered: Array) -> Array:
    found: Array = centered.T @ centered / max(len(centered) - 1, 1)
    return found


def _mean_colors(
    images: Sequence[Array], ids: Sequence[Array], lookup: Array, classes: int
) -> tuple[Array, Array]:
    """Equation (1), (N, K, C), and pixels (N, K)."""
    channels = images[0].shape[2]
    colors, areas = np.zeros((len(images), classes, channels)), np.zeros((len(images), classes), np.int64)
    for n, (image, one) in enumerate(zip(images, ids, strict=True)):
        owners = lookup[one].ravel()
        areas[n] = np.bincount(owners, minlength=classes)
        for c in range(channels):
            total = np.bincount(owners, weights=image[..., c].ravel(), minlength=classes)
            colors[n, :, c] = total / np.maximum(areas[n], 1)
    return colors, areas

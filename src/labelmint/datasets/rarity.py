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

__all__ = ["Rarity", "density", "mean_colors", "rarity_of", "scores_of"]

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
    means = [mean_colors(image, lookup[one], len(classes)) for image, one in zip(images, ids, strict=True)]
    colors, areas = (np.stack(each) for each in zip(*means, strict=True))
    return Rarity(classes=classes, scores=scores_of(colors, areas), areas=areas.sum(axis=0), class_of=lookup)


def mean_colors(image: Array, owners: Array, classes: int) -> tuple[Array, Array]:
    """Equation (1) of an image (H, W, C) and a map (H, W) of numbers in [0, classes), (K, C), and pixels (K,)."""
    flat, weights = owners.ravel(), image.reshape(-1, image.shape[2])
    areas = np.bincount(flat, minlength=classes)
    totals = [np.bincount(flat, weights=weights[:, c], minlength=classes) for c in range(image.shape[2])]
    return np.stack(totals, axis=1) / np.maximum(areas, 1)[:, None], areas


def scores_of(colors: Array, areas: Array) -> Array:
    """Equation (3), (N, K), of mean colors (N, K, C) and pixels (N, K)."""
    seen, scores = areas > 0, np.zeros(areas.shape)
    shown = [k for k in range(areas.shape[1]) if seen[:, k].any()]
    pooled = _covariance(
        np.concatenate([colors[seen[:, k], k] - colors[seen[:, k], k].mean(axis=0) for k in shown])
    )
    for k in shown:
        scores[seen[:, k], k] = 1 / density(colors[seen[:, k], k], pooled)
    return scores


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

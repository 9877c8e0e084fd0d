"""The swap test: what a generator with a code for the foreground and one for the background changes when one of them is
drawn anew, on its own side and on the other.

    d(p) = max over channels of |x'(p) - x(p)|                                 change at pixel p, in grey levels    (1)
    leak = share of pixels outside all boxes with d > 8,   foreground anew                                          (2)
    kept = share of object pixels with d <= 16,            background anew                                          (3)
    foreground, background = share of pixels on its own side with d > 16, that code anew                            (4)
    moved = mean |f(x'_k) - f(x_k)| / mean over pairs of real crops of one kind of |f(y_i) - f(y_j)|                (5)
    border = mean of |x(p) - x(q)| over drawn images / the same of real ones,   p in a box beside q in none         (6)

A generator that keeps both codes apart and heeds them has a leak below 0.02, keeps over 0.9, changes at least 0.3 of
either side, moves crops at least 0.5 in the features f, and has a border between 0.9 and 1.1: no pasted rectangles. One
that ignores a code changes nothing, so (2) and (3) alone would praise it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labelmint.types import Array

__all__ = ["AIMS", "border_gradient", "missed", "moved", "share_changed"]

AIMS: Mapping[str, tuple[float, float]] = {  # least and most of each figure
    "leak": (0.0, 0.02),
    "kept": (0.9, 1.0),
    "foreground": (0.3, 1.0),
    "background": (0.3, 1.0),
    "objects_moved": (0.5, np.inf),
    "backgrounds_moved": (0.5, np.inf),
    "border": (0.9, 1.1),
}


def share_changed(before: Array, after: Array, where: Array, above: int) -> float:
    """The share of pixels that change by more than so many grey levels in some channel; NaN of none.

    Arguments:
        before, after: (N, H, W, C) uint8. where: (N, H, W), true at the pixels that count.
    """
    apart = np.abs(after.astype(np.int16) - before).max(axis=3)
    return float((apart[where] > above).mean()) if where.any() else float("nan")


def border_gradient(images: Array, inside: Array) -> float:
    """The mean absolute difference, in grey levels, of neighbors of which one alone lies inside; NaN without any.

    Arguments:
        images: (N, H, W, C) uint8. inside: (N, H, W), true within boxes.
    """
    values, found = images.astype(np.float64), list[Array]()
    for axis in (1, 2):
        across = np.diff(inside.astype(np.int8), axis=axis) != 0
        found.append(np.abs(np.diff(values, axis=axis))[across].ravel())
    every = np.concatenate(found)
    return float(every.mean()) if every.size else float("nan")


def moved(before: Array, after: Array, real: Array, kinds: Sequence[int]) -> float:
    """Equation (5); NaN without crops, without two real ones of a kind, or where all real ones are alike.

    Arguments:
        before, after: features (n, D) of the same crops of drawn images. real: features (m, D) of crops of real ones.
        kinds: of these m.
    """
    of, pairs = np.asarray(kinds), list[Array]()
    for kind in np.unique(of):
        own = real[of == kind]
        ones, others = np.triu_indices(len(own), 1)
        pairs.append(np.linalg.norm(own[ones] - own[others], axis=1))
    every = np.concatenate(pairs) if pairs else np.zeros(0)
    if not len(before) or not every.sum():
        return float("nan")
    return float(np.linalg.norm(after - before, axis=1).mean() / every.mean())


def missed(figures: Mapping[str, float]) -> list[str]:
    """Names of the aims that figures miss; one that could not be measured is missed."""
    return [name for name, (least, most) in AIMS.items() if not least <= figures[name] <= most]

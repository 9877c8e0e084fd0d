"""Statistics of layouts, and how far those of two sets lie apart.

Of N scenes with S classes: counts n_ic of objects, area fractions (object pixels of a class over pixels of
the image), occupancy

    o_c(j) = mean over scenes of the share of cell j that objects of class c cover,   j on a grid of 8x8

with each object's pixels taken as spread evenly over its box, and co-occurrence r_ab, the share of scenes
that hold both a and b (r_aa: the share that holds a). Between two sets P and Q:

    total variation          1/2 sum_k |P(n = k) - Q(n = k)|          of counts, in [0, 1]
    mean absolute difference of area fractions, of occupancy, of co-occurrence rates
    Kolmogorov-Smirnov       sup_x |F_P(x) - F_Q(x)|                  of the areas of single objects, in [0,
                             1]

Every distance is 0 between a set and itself. Two samples of one distribution are some distance apart; the
distance between two halves of the real data is the yardstick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.metrics.coherence import Scene, SceneObject

__all__ = [
    "LayoutDistances",
    "LayoutStatistics",
    "kolmogorov_smirnov",
    "layout_distances",
    "layout_statistics",
    "total_variation",
]

GRID = 8
_EDGES = np.linspace(0, 1, GRID + 1)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayoutStatistics:
    """What a set of N scenes holds, for S classes.

    Arguments:
        classes: the S class ids, in the order of all arrays.
        counts: (N, S) objects of each class in each scene, classes that are not listed left out.
        area_fractions: (S,) mean share of the image that objects of the class take.
        occupancy: (S, 8, 8) mean share of each cell that they take.
        cooccurrence: (S, S) share of scenes that hold both classes; on the diagonal, that hold the class.
        areas: for each class, the sorted areas of its objects in shares of the image.
    """

    classes: tuple[int, ...]
    counts: npt.NDArray[np.int64]
    area_fractions: Floats
    occupancy: Floats
    cooccurrence: Floats
    areas: tuple[Floats, ...]

    @property
    def scenes(self) -> int:
        """N."""
        return len(self.counts)

    @property
    def objects_an_image_by_class(self) -> dict[int, float]:
        """Mean number of objects of each class."""
        return dict(zip(self.classes, self.counts.mean(axis=0).tolist(), strict=True))


def layout_statistics(scenes: Sequence[Scene], classes: Sequence[int]) -> LayoutStatistics:
    """The statistics of a set of scenes.

    Arguments:
        scenes: at least one.
        classes: ids to report on, the same for sets that are to be compared; objects of others are left out.
    """
    if not scenes or not classes or len(set(classes)) != len(classes):
        raise InputError(
            f"layout statistics need scenes and different classes, got {len(scenes)} scenes and classes "
            f"{list(classes)}"
        )
    index = {class_id: k for k, class_id in enumerate(classes)}
    counts, occupancy = np.zeros((len(scenes), len(classes)), np.int64), np.zeros((len(classes), GRID, GRID))
    areas: list[list[float]] = [[] for _ in classes]
    for i, scene in enumerate(scenes):
        for item in scene.objects:
            if item.class_id in index:
                k = index[item.class_id]
                counts[i, k] += 1
                occupancy[k] += _cover(item, scene.size)
                areas[k].append(item.area / (scene.size[0] * scene.size[1]))
    there = (counts > 0).astype(np.float64)
    return LayoutStatistics(
        classes=tuple(classes),
        counts=counts,
        area_fractions=np.array([sum(values) for values in areas]) / len(scenes),
        occupancy=occupancy / len(scenes),
        cooccurrence=there.T @ there / len(scenes),
        areas=tuple(np.sort(np.array(values, np.float64)) for values in areas),
    )


def _cover(item: SceneObject, size: tuple[int, int]) -> Floats:
    """The share of each cell (8, 8) that an object's pixels cover, spread evenly over its box."""
    x0, y0, x1, y1 = item.box
    along_y, along_x = _overlaps(y0 / size[0], y1 / size[0]), _overlaps(x0 / size[1], x1 / size[1])
    density = item.area / max((x1 - x0) * (y1 - y0), 1e-9)
    return np.outer(along_y, along_x) * density


def _overlaps(low: float, high: float) -> Floats:
    """The share of each of the 8 cells of [0, 1] that the interval covers."""
    covered: Floats = (np.minimum(high, _EDGES[1:]) - np.maximum(low, _EDGES[:-1])).clip(0) * GRID
    return covered


# Distances --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayoutDistances:
    """How far the layouts of two sets lie apart; each is 0 for a set and itself.

    Arguments:
        total_count_variation: total variation between the histograms of objects an image, in [0, 1].
        count_variation: the same for the objects of each class.
        area_fraction_difference: for each class, |difference| of the mean share of the image.
        occupancy_difference: for each class, mean |difference| of occupancy over the cells.
        cooccurrence_difference: mean |difference| of co-occurrence rates over unordered pairs of different
            classes, in [0, 1]; 0 where there is one class.
        area_ks: for each class, Kolmogorov-Smirnov distance of its objects' areas; 1 where one set alone has such
            objects, and no entry where neither has.
    """

    total_count_variation: float
    count_variation: Mapping[int, float]
    area_fraction_difference: Mapping[int, float]
    occupancy_difference: Mapping[int, float]
    cooccurrence_difference: float
    area_ks: Mapping[int, float]


def layout_distances(a: LayoutStatistics, b: LayoutStatistics) -> LayoutDistances:
    """Distances between two sets; raises InputError unless both report on the same classes."""
    if a.classes != b.classes:
        raise InputError(
            f"layouts to compare must have the same classes in the same order, got {a.classes} and "
            f"{b.classes}"
        )
    apart = np.abs(a.cooccurrence - b.cooccurrence)
    pairs = apart[np.triu_indices(len(a.classes), 1)]

    def by_class(values: Sequence[float] | Floats) -> dict[int, float]:
        return {class_id: float(value) for class_id, value in zip(a.classes, values, strict=True)}

    return LayoutDistances(
        total_count_variation=total_variation(a.counts.sum(axis=1), b.counts.sum(axis=1)),
        count_variation=by_class(
            [total_variation(x, y) for x, y in zip(a.counts.T, b.counts.T, strict=True)]
        ),
        area_fraction_difference=by_class(np.abs(a.area_fractions - b.area_fractions)),
        occupancy_difference=by_class(np.abs(a.occupancy - b.occupancy).mean(axis=(1, 2))),
        cooccurrence_difference=float(pairs.mean()) if len(pairs) else 0.0,
        area_ks={
            class_id: kolmogorov_smirnov(x, y) if len(x) and len(y) else 1.0
            for class_id, x, y in zip(a.classes, a.areas, b.areas, strict=True)
            if len(x) or len(y)
        },
    )


def total_variation(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> float:
    """1/2 sum_k |P(k) - Q(k)| between the histograms of two samples (N,), (M,) of whole numbers >= 0; in [0,
    1].
    """
    _nonempty(a, b)
    length = int(max(a.max(), b.max())) + 1
    return float(
        np.abs(np.bincount(a, minlength=length) / len(a) - np.bincount(b, minlength=length) / len(b)).sum()
        / 2
    )


def kolmogorov_smirnov(a: Floats, b: Floats) -> float:
    """sup_x |F(x) - G(x)| between the distribution functions of two samples (N,), (M,), in any order; in [0,
    1].
    """
    _nonempty(a, b)
    points = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _nonempty(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> None:
    if not len(a) or not len(b):
        raise InputError(f"samples to compare must not be empty, got {len(a)} and {len(b)} values")

"""Objects found again: in a dense prediction, and between two object maps.

    found_i = |{p in object i : prediction(p) = class_i}| >= share |object i|
    IoU(i, j) = |i and j| / |i or j|;  i and j of one class match, best IoU first, each at most once, when IoU
                                       >= a threshold

Both come from joint histograms of the maps, not from a loop over objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["Matches", "found_objects", "matches"]


class Matches(NamedTuple):
    """Objects of one class: how many are in both maps (matched pairs), only in the first, only in the second."""

    both: int
    only_a: int
    only_b: int


def found_objects(
    objects: Array, classes: Sequence[int] | Array, predicted: Array, share: float = 0.5
) -> npt.NDArray[np.bool_]:
    """Which labelled objects a dense prediction shows.

    Arguments:
        objects: (H, W) object numbers, 0 where there is none, else 1..n.
        classes: n class indices, that of object i at i - 1.
        predicted: (H, W) dense class indices.
        share: in (0, 1], the part of an object's pixels that must be predicted as its class.

    Returns (n,); an object without pixels is not found.
    Raises InputError when shapes differ, a number has no class, or the share is out of range.
    """
    if objects.shape != predicted.shape:
        raise InputError(
            f"objects and prediction must have one shape (H, W); got {objects.shape} and {predicted.shape}"
        )
    _check_share("share", share)
    wanted, areas = _classes_and_areas(objects, classes)
    right = np.bincount(objects[predicted == wanted[objects]].astype(np.int64), minlength=len(wanted))
    found: npt.NDArray[np.bool_] = (areas > 0) & (right >= share * areas)
    return found[1:]


def matches(
    objects_a: Array,
    classes_a: Sequence[int] | Array,
    objects_b: Array,
    classes_b: Sequence[int] | Array,
    iou: float = 0.5,
) -> dict[int, Matches]:
    """Objects of two maps matched one to one within a class, greedily by falling IoU.

    Arguments:
        objects_a, objects_b: (H, W) object numbers, 0 where there is none, else 1..n.
        classes_a, classes_b: the class index of each object, as for `found_objects`.
        iou: in (0, 1], the least intersection over union of a match.

    Returns for each class of either list, in order, its counts; an object without pixels is matched with
    none. Raises InputError when shapes differ, a number has no class, or the threshold is out of range.
    """
    if objects_a.shape != objects_b.shape:
        raise InputError(
            f"object maps must have one shape (H, W); got {objects_a.shape} and {objects_b.shape}"
        )
    _check_share("iou", iou)
    (kind_a, areas_a), (kind_b, areas_b) = (
        _classes_and_areas(objects_a, classes_a),
        _classes_and_areas(objects_b, classes_b),
    )
    a, b, ratio = _overlapping(objects_a, areas_a, objects_b, areas_b)
    near = (kind_a[a] == kind_b[b]) & (ratio >= iou)
    matched = [int(kind_a[i]) for i in _one_to_one(a[near], b[near], ratio[near])]
    counts = {}
    for kind in sorted({*kind_a[1:].tolist(), *kind_b[1:].tolist()}):
        both = matched.count(kind)
        counts[kind] = Matches(
            both, int((kind_a[1:] == kind).sum()) - both, int((kind_b[1:] == kind).sum()) - both
        )
    return counts


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise InputError(f"{name} must lie in (0, 1]; got {value}")


def _classes_and_areas(objects: Array, classes: Sequence[int] | Array) -> tuple[Array, Array]:
    """Class and pixels by object number, (n + 1,) each; number 0, no object, has a class that no prediction
    gives.
    """
    if objects.size and (objects.min() < 0 or objects.max() > len(classes)):
        found = f"{objects.min()} to {objects.max()}"
        raise InputError(
            f"object numbers must run from 0 to {len(classes)}, the number of classes given; found {found}"
        )
    wanted = np.concatenate([[-1], np.asarray(classes, np.int64)])
    return wanted, np.bincount(objects.ravel().astype(np.int64), minlength=len(wanted))


def _overlapping(
    objects_a: Array, areas_a: Array, objects_b: Array, areas_b: Array
) -> tuple[Array, Array, Array]:
    """Pairs of objects that share a pixel, and their IoU."""
    there = (objects_a > 0) & (objects_b > 0)
    joint = objects_a[there].astype(np.int64) * len(areas_b) + objects_b[there]
    pairs, common = np.unique(joint, return_counts=True)
    a, b = np.divmod(pairs, len(areas_b))
    return a, b, common / (areas_a[a] + areas_b[b] - common)


def _one_to_one(a: Array, b: Array, ratio: Array) -> dict[int, int]:
    """Partner of each matched a: pairs of highest ratio first, no object twice; equal ratios in the order of
    their numbers.
    """
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for pair in np.argsort(-ratio, kind="stable"):
        i, j = int(a[pair]), int(b[pair])
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner

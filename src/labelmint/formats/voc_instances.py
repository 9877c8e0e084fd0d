"""The instances of VOC's SegmentationObject, whose palette holds 254, and which of them are the shapes of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.format import Change
from labelmint.formats.instance_shapes import is_box
from labelmint.formats.painting import PaintedLayout, covered, paint
from labelmint.types import Array, Layout

__all__ = ["MOST", "Instances", "instances_of"]

MOST = 254


class Instances(NamedTuple):
    """The instances (H, W) of a layout, 0 = none, and for each object the number of the instance that is its shape, 0
    where it has no pixel, None for a box. `ids` is None where there are no instances.
    """

    ids: Array | None
    of_objects: tuple[int | None, ...]


def instances_of(name: str, layout: Layout, change: Change) -> Instances:
    """The instances of a pair's layout as SegmentationObject holds them.

    They are the layout's own. The shape of an object is the instance that holds most of its pixels, each of one object;
    a shape in none becomes one.

    Arguments:
        change: is told of shapes that are hidden in part, and of ids that do not fit.

    Raises InputError for more than 254 instances.
    """
    objects = layout.objects
    shaped = [i for i, one in enumerate(objects) if not is_box(one)]
    ids, owned = layout.instances, {i: i + 1 for i in shaped}
    if shaped and not isinstance(layout, PaintedLayout):
        drawn = paint(objects, layout.size)[1]
        drawn = np.where(np.isin(drawn, [i + 1 for i in shaped]), drawn, 0)
        ids, owned = (drawn, owned) if ids is None else _owned(drawn, ids)
    if ids is None:
        return Instances(None, (None,) * len(objects))
    seen = np.bincount(ids.ravel(), minlength=len(objects) + 1)
    seen[0] = 0
    kept = {i: int(seen[owned.get(i, 0)]) for i in shaped}
    cut = sum(kept[i] != covered(objects[i], layout.size) for i in shaped)
    change("overlaps approximated", "shapes keep the pixels alone that no other object hides", cut)
    numbers = _fitting(name, np.flatnonzero(seen), change)
    of_objects = [
        None if is_box(one) else int(numbers[owned[i]]) if kept[i] else 0 for i, one in enumerate(objects)
    ]
    return Instances(numbers[ids], tuple(of_objects))


def _owned(drawn: Array, ids: Array) -> tuple[Array, dict[int, int]]:
    """Instances with those added that some shape lacks, and the instance of each object that has pixels.

    Arguments:
        drawn: (H, W), object i as i + 1 where it is seen. ids: (H, W) instances.
    """
    some = drawn > 0
    pairs, counts = np.unique(
        np.stack([drawn[some], ids[some]], 1).astype(np.int64), axis=0, return_counts=True
    )
    owned: dict[int, int] = {}
    taken = {0}
    for number, index in pairs[np.argsort(-counts, kind="stable")].tolist():
        if number - 1 not in owned and index not in taken:
            owned[number - 1] = index
            taken.add(index)
    whole = ids.astype(np.int64)
    for number in np.unique(drawn[some]).tolist():
        alone = (drawn == number) & (whole == 0)
        if number - 1 not in owned and alone.any():
            owned[number - 1] = int(whole.max()) + 1
            whole[alone] = owned[number - 1]
    return whole, owned


def _fitting(name: str, ids: Sequence[int] | Array, change: Change) -> Array:
    """A table of numbers for the instance ids that are used: themselves where all fit a palette, else 1 and on."""
    if not len(ids) or max(ids) <= MOST:
        return np.arange(MOST + 1)
    if len(ids) > MOST:
        raise InputError(
            f"{name!r} has {len(ids)} instances, more than the {MOST} that SegmentationObject "
            "holds; cut the image into smaller ones, or write the format coco"
        )
    change("instances approximated", f"images have instance ids above {MOST}, which are numbered anew", 1)
    numbers = np.zeros(max(ids) + 1, dtype=np.int64)
    numbers[np.asarray(ids)] = np.arange(1, len(ids) + 1)
    return numbers

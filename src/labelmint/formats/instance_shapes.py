"""The instances of a map as the shapes of boxes that were annotated beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from labelmint.formats.painting import Place, object_at, windows
from labelmint.types import Array, LayoutObject

__all__ = ["is_box", "with_instances"]

_FITS = 0.5  # intersection over union of the box of an object and that of its instance


def is_box(one: LayoutObject) -> bool:
    """Return True for an object that is its box."""
    return one.rle is None and one.polygons is None


class _Instances:
    """The instances of a map that may be those of some objects."""

    def __init__(self, objects: Sequence[LayoutObject], label_map: Array, instances: Array) -> None:
        self._objects, self._label_map, self._instances = objects, label_map, instances
        self._windows = dict(windows(instances))
        self._classes: dict[int, int] = {}

    def place(self, index: int) -> Place:
        """Where an instance lies."""
        window = self._windows[index]
        return window, self._instances[window] == index

    def overlap(self, i: int, index: int) -> float:
        """How far the boxes of an object and an instance overlap; 0 where they are of two classes."""
        if index not in self._windows:
            return 0.0
        if index not in self._classes:
            window, inside = self.place(index)
            self._classes[index] = int(np.bincount(self._label_map[window][inside]).argmax())
        if self._classes[index] != self._objects[i].class_id:
            return 0.0
        return _overlap(self._objects[i].box, self._windows[index])

    def best(self, i: int, taken: Collection[int]) -> int | None:
        """The instance in an object's box that overlaps it most; None where none fits that is not taken."""
        others = np.unique(self._instances[_window(self._objects[i])]).tolist()
        free = [index for index in others if index and index not in taken]
        found = max(free, key=lambda index: self.overlap(i, index), default=0)
        return found if self.overlap(i, found) >= _FITS else None


def with_instances(
    objects: Sequence[LayoutObject], label_map: Array, instances: Array
) -> tuple[LayoutObject, ...]:
    """Objects whose boxes have the pixels of their instances as shapes, where these say more than the box.

    An instance fits an object of the class that most of its pixels have, if its box overlaps the object's by half of
    what both cover together. Object i takes instance i + 1, as VOC numbers them, if it fits; else of those that no
    other object takes the one that overlaps most.
    """
    known = _Instances(objects, label_map, instances)
    boxes = [i for i, one in enumerate(objects) if is_box(one) and not one.crowd]
    numbered = {i: i + 1 for i in boxes if known.overlap(i, i + 1) >= _FITS}
    taken = {*numbered.values(), *(i + 1 for i, one in enumerate(objects) if not is_box(one))}
    for i in boxes:
        best = None if i in numbered else known.best(i, taken)
        if best is not None:
            numbered[i] = best
            taken.add(best)
    return tuple(
        _shaped(one, instances, numbered[i], known.place(numbered[i])) if i in numbered else one
        for i, one in enumerate(objects)
    )


def _overlap(box: tuple[float, float, float, float], window: tuple[slice, slice]) -> float:
    """Intersection over union of a box and a window."""
    (x0, y0, x1, y1), (rows, columns) = box, window
    across = max(min(x1, columns.stop) - max(x0, columns.start), 0.0)
    both = across * max(min(y1, rows.stop) - max(y0, rows.start), 0.0)
    window_area = (columns.stop - columns.start) * (rows.stop - rows.start)
    area = max(x1 - x0, 0.0) * max(y1 - y0, 0.0)
    return float(both / max(area + window_area - both, 1e-9))


def _shaped(one: LayoutObject, instances: Array, index: int, place: Place) -> LayoutObject:
    """A box with an instance as its shape; as it is where the instance is the filled box, less what others hide."""
    inside = instances[_window(one)]
    whole = np.count_nonzero(inside == index) == np.count_nonzero(place[1])
    if whole and (inside > 0).all():
        return one
    return replace(one, rle=object_at(one.class_id, place, instances.shape).rle)


def _window(one: LayoutObject) -> tuple[slice, slice]:
    """The pixels whose centers a box holds."""
    x0, y0, x1, y1 = (max(int(np.ceil(edge - 0.5)), 0) for edge in one.box)
    return slice(y0, y1), slice(x0, x1)

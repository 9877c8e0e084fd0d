"""The objects of a layout for formats that hold objects alone: those annotated, and what the maps say beside them.

Painting the objects (`painting.paint`) gives the label map back, but for ground that lies under them. Layouts that were
painted from their objects have nothing to add. For others

- a box takes the pixels of its instance as its shape, where these say more than the box does;
- pixels of another class than the painted one become pieces: those of one instance, else those of a class that are
  connected by edges. Each lies over one object or none, so it is no larger than what it lies over, and with the z_order
  of that it is painted later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from labelmint.formats.format import Change, unsaid
from labelmint.formats.instance_shapes import is_box, with_instances
from labelmint.formats.painting import (
    PaintedLayout,
    Place,
    components,
    level_of,
    object_at,
    objects_from_instances,
    paint,
    windows,
)
from labelmint.types import Array, ClassSet, Layout, LayoutObject

__all__ = ["objects_of"]

_OF_MAPS = "label maps without objects are written as objects: the pieces of each class"
_SHAPED = "boxes take the pixels of their instances as shapes"
_ADDED = "pixels of label maps that no object has are written as further objects"
_COVERED = "pixels of label maps lie under objects and are lost"


def objects_of(
    layout: Layout, classes: ClassSet, change: Change = unsaid, *, ignored: bool = True
) -> tuple[LayoutObject, ...]:
    """The objects that say a layout: as they were annotated, with what its maps say beside them.

    Arguments:
        classes: of the label map. change: is told what became of the maps, as in `Writing`.
        ignored: False where the format has no place for pixels to ignore; then none of them is added.
    """
    if isinstance(layout, PaintedLayout) and layout.ground in _unsaid_ids(classes):
        return layout.objects
    if not layout.objects:
        return _of_maps(layout, classes, change, ignored)
    label_map, drawn = paint(layout.objects, layout.size)
    wrong = _wrong(layout, label_map, drawn, classes)
    if not wrong.any():
        return layout.objects
    objects = layout.objects
    if layout.instances is not None:
        objects = with_instances(objects, layout.label_map, layout.instances)
        shaped = sum(one is not other for one, other in zip(objects, layout.objects, strict=True))
        if shaped:
            change("instances approximated", _SHAPED, shaped)
            label_map, drawn = paint(objects, layout.size)
            wrong = _wrong(layout, label_map, drawn, classes)
    if not ignored:
        wrong &= ~np.isin(layout.label_map, classes.ignore)
    return (*objects, *_pieces(layout, objects, drawn, wrong, classes, change))


def _of_maps(layout: Layout, classes: ClassSet, change: Change, ignored: bool) -> tuple[LayoutObject, ...]:
    """The objects of a layout without any. Ground inside an instance is lost."""
    label_map, instances = layout.label_map, layout.instances
    found = objects_from_instances(label_map, instances, classes.ground)
    if not ignored:
        found = tuple(one for one in found if one.class_id not in classes.ignore)
    if instances is None:
        change("maps approximated", _OF_MAPS, int(bool(found)))
    elif classes.ground is not None:
        ground = label_map == classes.ground
        drawn = np.zeros(int(instances.max(initial=0)) + 1, dtype=bool)
        drawn[instances[~ground]] = True
        drawn[0] = False
        _tell(change, "maps lost", _COVERED, classes, label_map[ground & drawn[instances]])
    return found


def _unsaid_ids(classes: ClassSet) -> tuple[int, ...]:
    """The ids of pixels that no object needs to say: the ground, or where there is none those to ignore."""
    return classes.ignore if classes.ground is None else (classes.ground,)


def _wrong(layout: Layout, label_map: Array, drawn: Array, classes: ClassSet) -> Array:
    """Pixels that have another class in a layout than where its objects are painted; `drawn` is 0 where none is."""
    found: Array = label_map != layout.label_map
    found[drawn == 0] = True
    for i in _unsaid_ids(classes):
        found &= (drawn > 0) | (layout.label_map != i)
    return found


def _pieces(
    layout: Layout,
    objects: Sequence[LayoutObject],
    drawn: Array,
    wrong: Array,
    classes: ClassSet,
    change: Change,
) -> list[LayoutObject]:
    """The pixels that are `wrong` as objects, each over one of `drawn`; what none can say is lost."""
    lost = wrong & (layout.label_map == (-1 if classes.ground is None else classes.ground))
    found = []
    for class_id, below, place in _places(layout, drawn, wrong & ~lost):
        window, inside = place
        # A box that is smaller than the pixels whose centers it holds would be painted above.
        if below and is_box(objects[below - 1]) and objects[below - 1].area < np.count_nonzero(inside):
            lost[window] |= inside
        else:
            level = max(level_of(objects[below - 1]), 0) if below else 0
            piece = object_at(class_id, place, layout.size)
            found.append(replace(piece, attributes={"z_order": level}) if level else piece)
    _tell(change, "maps added", _ADDED, classes, layout.label_map[wrong & ~lost])
    _tell(change, "maps lost", _COVERED, classes, layout.label_map[lost])
    return found


def _places(layout: Layout, drawn: Array, lacking: Array) -> Iterator[tuple[int, int, Place]]:
    """Pixels by their class, the object below them, and their instance or, where they are of none, their piece."""
    instances = np.zeros_like(drawn) if layout.instances is None else layout.instances
    keys = np.stack([layout.label_map[lacking], drawn[lacking], instances[lacking]], axis=1).astype(np.int64)
    values, group = np.unique(keys, axis=0, return_inverse=True)
    groups = np.zeros(layout.size, dtype=np.int64)
    groups[lacking] = group.reshape(-1) + 1
    for index, (rows, columns) in windows(groups):
        class_id, below, instance = values[index - 1].tolist()
        inside = groups[rows, columns] == index
        if instance:
            yield class_id, below, ((rows, columns), inside)
            continue
        for place in components(inside, (rows, columns)):
            yield class_id, below, place


def _tell(change: Change, kind: str, what: str, classes: ClassSet, ids: Array) -> None:
    """Tell of pixels, counted by class."""
    values, counts = np.unique(ids, return_counts=True)
    named: Counter[str] = Counter()
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        named[classes.name_of(value)] += count
    change(kind, what, named)

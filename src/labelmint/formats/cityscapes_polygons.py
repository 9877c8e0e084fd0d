"""NAME_gtFine_polygons.json of the `cityscapes` format, from which its own programs make label maps.

    {"imgHeight": H, "imgWidth": W, "objects": [{"label": CLASS, "polygon": [[x, y], ...]}]}

Objects are filled in their order, later ones above; "CLASSgroup" is a crowd. Annotated objects have their own outlines
(a box its corners); label maps without objects those of instances, and of pieces of each class. What several pieces or
holes have in common is one outline (`single_outline`). Ground and what is ignored have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from labelmint.formats.format import unsaid
from labelmint.formats.outlines import joined, outlines_of
from labelmint.formats.painting import area_of, components, level_of, windows
from labelmint.formats.pieces import objects_of
from labelmint.formats.single_outline import single_outline
from labelmint.types import Array, ClassSet, Layout

__all__ = ["polygons_of"]

Labelled = Iterator[tuple[str, Sequence[float]]]  # the label and the outline of an object


def polygons_of(layout: Layout, classes: ClassSet) -> dict[str, Any]:
    """The content of a layout's file."""
    height, width = layout.size
    found = _of_objects(layout, classes) if layout.objects else _of_maps(layout, classes)
    objects = [
        {"label": label, "polygon": list(zip(map(_whole, some[::2]), map(_whole, some[1::2]), strict=True))}
        for label, some in found
    ]
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _of_objects(layout: Layout, classes: ClassSet) -> Labelled:
    objects = [
        one for one in objects_of(layout, classes, ignored=False) if one.class_id not in classes.ignore
    ]
    for one in sorted(objects, key=lambda one: (level_of(one), -area_of(one, layout.size))):
        x0, y0, x1, y1 = one.box
        outline = single_outline(one, layout.size, unsaid)
        label = f"{classes.name_of(one.class_id)}{'group' * one.crowd}"
        if outline is None or outline:
            yield label, outline or (x0, y0, x1, y0, x1, y1, x0, y1)


def _of_maps(layout: Layout, classes: ClassSet) -> Labelled:
    instances = np.zeros(layout.size, dtype=np.uint8) if layout.instances is None else layout.instances
    keys = layout.label_map.astype(np.int64) << 32 | instances.astype(np.int64)
    values, places = np.unique(keys, return_inverse=True)
    for k, window in windows(places.reshape(layout.size) + 1):
        class_id, instance = int(values[k - 1]) >> 32, int(values[k - 1]) & 0xFFFFFFFF
        if class_id == classes.ground or class_id in classes.ignore:
            continue
        inside = places.reshape(layout.size)[window] == k - 1
        for (rows, columns), piece in [(window, inside)] if instance else components(inside, window):
            yield classes.name_of(class_id), _outline(piece, columns.start, rows.start)


def _outline(piece: Array, left: int, top: int) -> Sequence[float]:
    """The outline of a piece whose first pixel is at `left` and `top`."""
    rings, holes = outlines_of(piece)
    points = np.reshape(joined([*rings, *holes]), (-1, 2)) + np.array([left, top])
    found: list[float] = points.ravel().tolist()
    return found

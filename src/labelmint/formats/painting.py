"""Between objects and the maps: label map and instance map painted from objects, and objects found in the
maps.

A pixel belongs to a box when its center does: pixel j is covered if x0 <= j + 1/2 < x1. Objects of a lower "z_order",
an attribute that is 0 where there is none, are painted first, as CVAT does; then larger ones, as MSGNet does, so that
small ones stay visible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.shapes import counts_of
from labelmint.types import Array, Layout, LayoutObject

__all__ = [
    "PaintedLayout",
    "Paints",
    "area_of",
    "box_of",
    "decode",
    "objects_from_instances",
    "objects_of",
    "paint",
    "painted",
    "rle_of",
    "without_pixels",
]

Size = tuple[int, int]
Paints = Callable[[Sequence[LayoutObject], Size, int], Layout]  # at once, or when the maps are asked for


def paint(objects: Sequence[LayoutObject], size: Size, background: int = 0) -> tuple[Array, Array]:
    """Paint objects, lower z_order first, then larger area, ties in their order.

    Arguments:
        objects: what to paint. An object without a shape is its filled box; a crowd is painted like any other
            object.
        size: (H, W).
        background: the id of pixels that no object covers.

    Returns:
        label map (H, W), uint8 or (ids above 255) uint16; instances (H, W) uint16, object i of `objects` as i
        + 1.
    """
    highest = max([background, *(one.class_id for one in objects)])
    label_map = np.full(size, background, dtype=np.uint8 if highest <= 255 else np.uint16)
    instances = np.zeros(size, dtype=np.uint16 if len(objects) <= 65535 else np.uint32)
    shapes = [rle_of(one, size) for one in objects]
    areas = [_area(one, rle) for one, rle in zip(objects, shapes, strict=True)]
    for index in sorted(range(len(objects)), key=lambda i: (_level(objects[i]), -areas[i])):
        where = _pixels(objects[index], shapes[index], size)
        label_map[where] = objects[index].class_id
        instances[where] = index + 1
    return label_map, instances


def _level(one: LayoutObject) -> int:
    level = one.attributes.get("z_order", 0)
    return level if type(level) is int else 0


def painted(objects: Sequence[LayoutObject], size: Size, background: int = 0) -> Layout:
    """The layout of objects, painted as above."""
    label_map, instances = paint(objects, size, background)
    return Layout(label_map=label_map, instances=instances, objects=tuple(objects))


class PaintedLayout(Layout):
    """A layout that its objects say in full: its maps are painted from them when they are first asked for.

    Arguments:
        objects: in file order. size: (H, W) in pixels. ground: the id of what no object covers.
    """

    ground: int

    def __init__(self, objects: Sequence[LayoutObject], size: Size, ground: int = 0) -> None:
        vars(self).update(objects=tuple(objects), ground=ground, _size=size)

    @property
    def size(self) -> Size:
        """(H, W) in pixels."""
        found: Size = vars(self)["_size"]
        return found

    @cached_property
    def _maps(self) -> tuple[Array, Array]:
        return paint(self.objects, self.size, self.ground)

    @property
    def label_map(self) -> Array:
        """(H, W), as `paint` makes it."""
        return self._maps[0]

    @property
    def instances(self) -> Array:
        """(H, W), as `paint` makes them."""
        return self._maps[1]


def objects_of(layout: Layout, ground: int | None) -> tuple[LayoutObject, ...]:
    """The objects as they were annotated; where there are none, those of the maps."""
    if layout.objects or isinstance(layout, PaintedLayout):
        return layout.objects
    return objects_from_instances(layout.label_map, layout.instances, ground)


def without_pixels(objects: Sequence[LayoutObject], size: Size) -> int:
    """How many objects cover no pixel of an image, whether others hide them or not."""
    from pycocotools import mask as coco

    outlines = [(one, list(some)) for one in objects if one.rle is None for some in one.polygons or ()]
    areas = coco.area(coco.frPyObjects([some for _, some in outlines], *size)) if outlines else []
    covering = {id(one) for (one, _), area in zip(outlines, areas, strict=True) if area}
    return sum(id(one) not in covering and not _covers(one, size) for one in objects)


def _covers(one: LayoutObject, size: Size) -> bool:
    """Return True where the run lengths or the box of an object cover a pixel."""
    if one.rle is not None:
        return _area(one, one.rle) > 0
    rows, columns = _pixels(one, None, size)
    inside = rows.start < min(rows.stop, size[0]) and columns.start < min(columns.stop, size[1])
    return one.polygons is None and inside


def rle_of(one: LayoutObject, size: Size) -> Mapping[str, Any] | None:
    """An object's shape as COCO's compressed run lengths with text counts; None for an object that is its
    box.
    """
    if one.rle is not None:
        return one.rle
    if one.polygons is None:
        return None
    from pycocotools import mask as coco

    return _as_text(coco.merge(coco.frPyObjects([list(polygon) for polygon in one.polygons], *size)))


def area_of(one: LayoutObject, size: Size) -> float:
    """Pixels of an object's shape; width times height for an object that is its box."""
    return _area(one, rle_of(one, size))


def _area(one: LayoutObject, rle: Mapping[str, Any] | None) -> float:
    if rle is None:
        return one.area
    from pycocotools import mask as coco

    return float(coco.area({"size": list(rle["size"]), "counts": rle["counts"]}))


def _pixels(one: LayoutObject, rle: Mapping[str, Any] | None, size: Size) -> Any:
    """An index for the pixels that an object covers."""
    if rle is None:
        x0, y0, x1, y1 = (max(math.ceil(edge - 0.5), 0) for edge in one.box)
        return slice(y0, y1), slice(x0, x1)
    return decode(rle, size)


def decode(rle: Mapping[str, Any], size: Size) -> Array:
    """Compressed run lengths as (H, W) bool; raises InputError where they are none of this size.

    Written here because pycocotools' own does not check, and warns under numpy 2.
    """
    counts = counts_of(rle["counts"])
    if counts is None or min(counts, default=0) < 0 or sum(counts) != size[0] * size[1]:
        raise InputError(f"run lengths {str(rle['counts'])[:40]!r} are none of {size[0]}x{size[1]} pixels")
    by_columns = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return by_columns.reshape(size[1], size[0]).T


def box_of(binary: Array) -> tuple[float, float, float, float]:
    """The box x0, y0, x1, y1 (exclusive) around the true pixels of an (H, W) array. Raises InputError where
    there are none.
    """
    rows, columns = np.flatnonzero(binary.any(axis=1)), np.flatnonzero(binary.any(axis=0))
    if not rows.size:
        raise InputError("an object without pixels has no box")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def objects_from_instances(
    label_map: Array, instances: Array | None = None, ground: int | None = 0
) -> tuple[LayoutObject, ...]:
    """The objects of a layout that has maps only, each with its exact run lengths.

    First the instances by id, each with the class that most of its pixels have (the lower id in a tie); then,
    for pixels of no instance, the pieces of each class, connected by edges as everywhere. The ground, of
    `ClassSet`, is no object; where it is None every pixel is of some.
    """
    free = np.ones(label_map.shape, dtype=bool) if instances is None else instances == 0
    found = [] if instances is None else list(_instances(label_map, instances, ground))
    for class_id in np.unique(label_map[free]).tolist():
        if class_id != ground:
            where = _components((label_map == class_id) & free)
            found += [_object(class_id, one, label_map.shape) for one in where]
    return tuple(found)


def _instances(label_map: Array, instances: Array, ground: int | None) -> Iterator[LayoutObject]:
    for index, window in _windows(instances):
        inside = instances[window] == index
        counts = np.bincount(label_map[window][inside])
        if ground is not None:
            counts[ground : ground + 1] = 0
        if counts.any():
            yield _object(int(counts.argmax()), (window, inside), label_map.shape)


def _components(binary: Array) -> Iterator[tuple[tuple[slice, slice], Array]]:
    from scipy.ndimage import label

    components = label(binary)[0]
    return ((window, components[window] == index) for index, window in _windows(components))


def _windows(ids: Array) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Each id above 0 with the slices around its pixels, so that no object costs a pass over the whole image."""
    from scipy.ndimage import find_objects

    return (
        (index, window)
        for index, window in enumerate(find_objects(ids.astype(np.int64)), 1)
        if window is not None
    )


def _object(class_id: int, where: tuple[tuple[slice, slice], Array], size: tuple[int, ...]) -> LayoutObject:
    from pycocotools import mask as coco

    (rows, columns), inside = where
    whole = np.zeros(size, dtype=np.uint8, order="F")
    whole[rows, columns] = inside
    box = float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)
    return LayoutObject(class_id=class_id, box=box, rle=_as_text(coco.encode(whole)))


def _as_text(rle: Mapping[str, Any]) -> dict[str, Any]:
    return {"size": [int(part) for part in rle["size"]], "counts": rle["counts"].decode("ascii")}

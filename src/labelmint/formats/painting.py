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
from labelmint.formats.shapes import counts_of, rle_of_window
from labelmint.types import Array, Layout, LayoutObject

__all__ = [
    "PaintedLayout",
    "Paints",
    "area_of",
    "box_of",
    "components",
    "covered",
    "decode",
    "hidden",
    "level_of",
    "object_at",
    "objects_from_instances",
    "paint",
    "painted",
    "rle_of",
    "windows",
    "without_pixels",
]

Size = tuple[int, int]
Place = tuple[tuple[slice, slice], Array]  # rows and columns, and which of the pixels in them
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
    by_columns = size[::-1]  # as run lengths go
    label_map = np.full(by_columns, background, dtype=np.uint8 if highest <= 255 else np.uint16)
    instances = np.zeros(by_columns, dtype=np.uint16 if len(objects) <= 65535 else np.uint32)
    shapes = [rle_of(one, size) for one in objects]
    areas = [_area(one, rle) for one, rle in zip(objects, shapes, strict=True)]
    for index in sorted(range(len(objects)), key=lambda i: (level_of(objects[i]), -areas[i])):
        where, inside = _pixels(objects[index], shapes[index], size)
        np.copyto(label_map[where], objects[index].class_id, where=inside)
        np.copyto(instances[where], index + 1, where=inside)
    return np.ascontiguousarray(label_map.T), np.ascontiguousarray(instances.T)


def level_of(one: LayoutObject) -> int:
    """The z_order of an object; 0 where it has none."""
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
    (columns, rows), _ = _pixels(one, None, size)
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


def covered(one: LayoutObject, size: Size) -> int:
    """Pixels that an object covers, whether others hide them or not."""
    shape = rle_of(one, size)
    if shape is not None:
        return int(_area(one, shape))
    (columns, rows), _ = _pixels(one, None, size)
    height, width = min(rows.stop, size[0]) - rows.start, min(columns.stop, size[1]) - columns.start
    return int(max(height, 0) * max(width, 0))


def hidden(layout: Layout) -> int:
    """How many objects have pixels that others hide."""
    if len(layout.objects) < 2:
        return 0
    drawn = layout.instances if isinstance(layout, PaintedLayout) else paint(layout.objects, layout.size)[1]
    seen = np.bincount(drawn.ravel(), minlength=len(layout.objects) + 1)[1:].tolist()
    return sum(covered(one, layout.size) > count for one, count in zip(layout.objects, seen, strict=True))


def _area(one: LayoutObject, rle: Mapping[str, Any] | None) -> float:
    if rle is None:
        return one.area
    from pycocotools import mask as coco

    return float(coco.area({"size": list(rle["size"]), "counts": rle["counts"]}))


def _pixels(
    one: LayoutObject, rle: Mapping[str, Any] | None, size: Size
) -> tuple[tuple[slice, slice], Array | bool]:
    """The columns and rows of the pixels that an object covers, and which of those it covers, (columns, rows)."""
    if rle is None:
        x0, y0, x1, y1 = (max(math.ceil(edge - 0.5), 0) for edge in one.box)
        return (slice(x0, x1), slice(y0, y1)), True
    counts, height = _runs(rle, size), size[0]
    if len(counts) < 2:
        return (slice(0), slice(0)), True
    after = counts[-1] if len(counts) % 2 else 0
    first, last = counts[0] // height, size[1] - after // height
    counts[0] -= first * height
    if len(counts) % 2:
        counts[-1] %= height
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(last - first, height)
    return (slice(first, last), slice(height)), inside


def decode(rle: Mapping[str, Any], size: Size) -> Array:
    """Compressed run lengths as (H, W) bool; raises InputError where they are none of this size.

    Written here because pycocotools' own does not check, and warns under numpy 2.
    """
    counts = _runs(rle, size)
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size[1], size[0]).T


def _runs(rle: Mapping[str, Any], size: Size) -> list[int]:
    counts = counts_of(rle["counts"])
    if counts is None or min(counts, default=0) < 0 or sum(counts) != size[0] * size[1]:
        raise InputError(f"run lengths {str(rle['counts'])[:40]!r} are none of {size[0]}x{size[1]} pixels")
    return counts


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

    First the instances by id, each with the class that most of its pixels have (the lower id in a tie), then the
    pieces of other classes in them; then, for pixels of no instance, the pieces of each class. Pieces are connected by
    edges as everywhere. The ground, of `ClassSet`, is no object; where it is None every pixel is of some.
    """
    found = [] if instances is None else _instances(label_map, instances, ground)
    free = np.ones(label_map.shape, dtype=bool) if instances is None else instances == 0
    return (*found, *_pieces(label_map, free, ground, (slice(None), slice(None))))


def _instances(label_map: Array, instances: Array, ground: int | None) -> list[LayoutObject]:
    found, others = [], []
    for index, window in windows(instances):
        inside = instances[window] == index
        counts = np.bincount(label_map[window][inside])
        if ground is not None:
            counts[ground : ground + 1] = 0
        if not counts.any():
            continue
        class_id = int(counts.argmax())
        found.append(object_at(class_id, (window, inside), label_map.shape))
        if np.count_nonzero(counts) > 1:
            others += _pieces(label_map, inside & (label_map[window] != class_id), ground, window)
    return found + others


def _pieces(
    label_map: Array, where: Array, ground: int | None, window: tuple[slice, slice]
) -> list[LayoutObject]:
    """The pieces of each class that are connected by edges, of some pixels in a window."""
    labels = label_map[window]
    return [
        object_at(class_id, place, label_map.shape)
        for class_id in np.unique(labels[where]).tolist()
        if class_id != ground
        for place in components((labels == class_id) & where, window)
    ]


def components(binary: Array, window: tuple[slice, slice]) -> Iterator[Place]:
    """The pieces that are connected by edges, of the true pixels of a window."""
    from scipy.ndimage import label

    numbered = label(binary)[0]
    top, left = (edge.start or 0 for edge in window)
    for index, (rows, columns) in windows(numbered):
        place = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
        yield place, numbered[rows, columns] == index


def windows(ids: Array) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Each id above 0 with the slices around its pixels, so that no object costs a pass over the whole image."""
    from scipy.ndimage import find_objects

    return (
        (index, window)
        for index, window in enumerate(find_objects(ids.astype(np.int64)), 1)
        if window is not None
    )


def object_at(class_id: int, where: Place, size: tuple[int, ...]) -> LayoutObject:
    """An object of the pixels of a place, and the box around them, in an image of `size` (H, W)."""
    (rows, columns), inside = where
    box = float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)
    rle = rle_of_window(inside, columns.start, rows.start, (int(size[0]), int(size[1])))
    return LayoutObject(class_id=class_id, box=box, rle=rle)


def _as_text(rle: Mapping[str, Any]) -> dict[str, Any]:
    return {"size": [int(part) for part in rle["size"]], "counts": rle["counts"].decode("ascii")}

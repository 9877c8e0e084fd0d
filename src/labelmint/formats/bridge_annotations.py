"""From Datumaro's annotations to objects.

    Mask           its run lengths                 RotatedBbox    a polygon of its four corners
    Polygon        a polygon; several of one       Ellipse        a polygon of 64 points
                   group, label and attributes     others         no region: counted, and said once
                   are one object
    Bbox           a box, but where a shape of the same group and label is there

Labels count from 0. One that is called background is the ground; else every class id is the label + 1.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import class_set
from labelmint.formats.files import finite
from labelmint.formats.painting import box_of, decode, rle_of
from labelmint.formats.shapes import check_extent, parse_polygons
from labelmint.types import Array, ClassInfo, ClassSet, LayoutObject

__all__ = ["Labels", "ignored_of", "is_semantic", "label_map_of", "objects_of"]

_REGIONS = ("mask", "polygon", "bbox", "rotated_bbox", "ellipse")
_UNNAMED = "object"  # the class of regions without a label
_CORNERS = 64  # of an ellipse
_OWN = ("is_crowd",)

Size = tuple[int, int]


@dataclass(frozen=True)
class Labels:
    """The classes of a data set: label -> class id is label + `shift`."""

    classes: ClassSet
    shift: int
    count: int
    ground: int

    @staticmethod
    def of(
        names: Sequence[str], colors: Mapping[int, Sequence[int]], ignore: Iterable[int], unnamed: bool
    ) -> Labels:
        """Classes of some names in the order of their labels, and one more where regions have no label."""
        listed = [*names, *([_UNNAMED] if unnamed or not names else [])]
        plain = [ClassInfo(id=i, name=name) for i, name in enumerate(listed)]
        ground = ClassSet(tuple(plain)).ground
        shift = int(ground is None)
        infos = [
            ClassInfo(id=i + shift, name=name, color=_color(colors.get(i)), category=i if shift else None)
            for i, name in enumerate(listed)
        ]
        if ground is None:
            infos.append(ClassInfo(id=0, name="background"))
        return Labels(class_set(infos, ignore), shift, len(listed), ground or 0)

    def class_of(self, label: Any, what: str) -> int:
        """The class id of an annotation's label."""
        if label is None:
            return self.count - 1 + self.shift
        if not 0 <= int(label) < self.count:
            raise InputError(f"{what} has the label {label}, but {self.count} are named")
        return int(label) + self.shift


def kind_of(annotation: Any) -> str:
    """The name of an annotation's type."""
    return str(annotation.type.name)


def ignored_of(annotations: Iterable[Any]) -> Counter[str]:
    """Counts of annotations that say no region."""
    return Counter(kind for one in annotations if (kind := kind_of(one)) not in _REGIONS)


def is_semantic(items: Iterable[Sequence[Any]]) -> bool:
    """True if regions are label maps without instances: masks alone, one a class and image, without ids."""
    for item in items:
        masks = [one for one in item if kind_of(one) in _REGIONS]
        labels = {one.label for one in masks}
        plain = all(kind_of(one) == "mask" and not (one.id or one.group or one.attributes) for one in masks)
        if not plain or len(labels) < len(masks) or None in labels:
            return False
    return True


def size_of_masks(annotations: Iterable[Any]) -> Size | None:
    """(H, W) of the first mask that has two axes, None where there is none."""
    shapes = (np.shape(one.image) for one in annotations if kind_of(one) == "mask")
    return next(((shape[0], shape[1]) for shape in shapes if len(shape) == 2), None)


def label_map_of(annotations: Iterable[Any], labels: Labels, size: Size, what: str) -> Array:
    """The label map of masks, one a class."""
    label_map = np.full(
        size, labels.ground, dtype=np.uint8 if labels.count + labels.shift <= 256 else np.uint16
    )
    for one in annotations:
        if kind_of(one) == "mask":
            label_map[_binary(one, size, what)] = labels.class_of(one.label, what)
    return label_map


def objects_of(annotations: Iterable[Any], labels: Labels, size: Size, what: str) -> tuple[LayoutObject, ...]:
    """The objects of an image, in the order of their first region; the ground is none."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for number, one in enumerate(annotations):
        if kind_of(one) in _REGIONS:
            groups[(one.group, one.label) if one.group else number].append(one)
    found = [made for group in groups.values() for made in _objects(group, labels, size, what)]
    return tuple(one for one in found if one.class_id not in labels.classes.backgrounds)


def _objects(group: Sequence[Any], labels: Labels, size: Size, what: str) -> list[LayoutObject]:
    """The objects of a group: shapes of equal attributes are one; boxes count where there is no shape, since they stand
    for the same.
    """
    alike: dict[str, list[Any]] = defaultdict(list)
    for one in group:
        if kind_of(one) != "bbox":
            alike[repr(sorted(one.attributes.items()))].append(one)
    if not alike:
        return [_with_facts(one, labels, what, box=_edges(one, size, what)) for one in group]
    return [made for shapes in alike.values() for made in _object(shapes, labels, size, what)]


def _object(shapes: Sequence[Any], labels: Labels, size: Size, what: str) -> list[LayoutObject]:
    """One object of some shapes; none where no pixel is theirs."""
    if all(kind_of(one) == "polygon" for one in shapes):
        polygons = tuple(p for one in shapes for p in _polygons(one, size, what))
        return [_with_facts(shapes[0], labels, what, box=_around(polygons), polygons=polygons)]
    if len(shapes) == 1 and kind_of(shapes[0]) != "mask":
        polygons = _polygons(shapes[0], size, what)
        return [_with_facts(shapes[0], labels, what, box=_around(polygons), polygons=polygons)]
    covered = np.zeros(size, dtype=bool)
    for one in shapes:
        covered |= (
            _binary(one, size, what) if kind_of(one) == "mask" else _drawn(_polygons(one, size, what), size)
        )
    if not covered.any():
        return []
    return [_with_facts(shapes[0], labels, what, box=box_of(covered), rle=_encoded(covered))]


def _with_facts(one: Any, labels: Labels, what: str, **shape: Any) -> LayoutObject:
    attributes = {str(key): _plain(value) for key, value in one.attributes.items() if key not in _OWN}
    level = getattr(one, "z_order", 0)
    attributes |= {"z_order": int(level)} if level else {}
    return LayoutObject(
        class_id=labels.class_of(one.label, what),
        crowd=bool(one.attributes.get("is_crowd", False)),
        attributes=attributes,
        **shape,
    )


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, str | bool) or finite(value):
        return value
    return str(value)


def _edges(one: Any, size: Size, what: str) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(edge) for edge in one.points)
    if not all(map(finite, (x0, y0, x1, y1))) or x0 > x1 or y0 > y1:
        raise InputError(
            f"{what} has a box from ({x0}, {y0}) to ({x1}, {y1}); expected finite numbers, the least first"
        )
    check_extent(x0, y0, x1, y1, size, f"{what}: a box")
    return x0, y0, x1, y1


def _polygons(one: Any, size: Size, what: str) -> tuple[tuple[float, ...], ...]:
    points = [float(number) for number in _points(one)]
    return parse_polygons([points], size, what)


def _points(one: Any) -> Iterable[float]:
    if kind_of(one) == "ellipse":
        x0, y0, x1, y1 = one.points
        turns = (2 * math.pi * i / _CORNERS for i in range(_CORNERS))
        corners = [(math.cos(turn) * (x1 - x0) / 2, math.sin(turn) * (y1 - y0) / 2) for turn in turns]
        return [n for x, y in corners for n in ((x0 + x1) / 2 + x, (y0 + y1) / 2 + y)]
    if kind_of(one) == "rotated_bbox":
        x, y, width, height, degrees = one.points
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        sides = (
            (-width / 2, -height / 2),
            (width / 2, -height / 2),
            (width / 2, height / 2),
            (-width / 2, height / 2),
        )
        return [n for dx, dy in sides for n in (x + dx * cos - dy * sin, y + dx * sin + dy * cos)]
    points: Iterable[float] = one.points
    return points


def _around(polygons: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    xs, ys = [x for one in polygons for x in one[::2]], [y for one in polygons for y in one[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def _binary(one: Any, size: Size, what: str) -> Array:
    """The pixels of a mask."""
    found = np.asarray(one.image)
    if found.ndim == 1 and 1 in size and found.size == size[0] * size[1]:
        found = found.reshape(size)  # the library drops the axis of an image of one line
    if found.shape != size:
        raise InputError(
            f"{what}: a mask is {'x'.join(map(str, found.shape))} pixels (height x width), but the image is "
            f"{size[0]}x{size[1]}; use the images that were annotated"
        )
    binary: Array = np.not_equal(found, 0)
    return binary


def _drawn(polygons: tuple[tuple[float, ...], ...], size: Size) -> Array:
    rle = rle_of(LayoutObject(class_id=0, box=_around(polygons), polygons=polygons), size)
    assert rle is not None
    return decode(rle, size)


def _encoded(binary: Array) -> dict[str, Any]:
    from pycocotools import mask as coco

    rle = coco.encode(np.asfortranarray(binary, dtype=np.uint8))
    return {"size": [int(part) for part in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _color(value: Sequence[int] | None) -> tuple[int, int, int] | None:
    if value is None or len(value) < 3:
        return None
    red, green, blue = (int(part) for part in value[:3])
    return (red, green, blue) if all(0 <= part <= 255 for part in (red, green, blue)) else None

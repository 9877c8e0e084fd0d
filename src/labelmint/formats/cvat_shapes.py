"""The shapes of CVAT's XML: <box label xtl ytl xbr ybr [rotation]>, <polygon points="x,y;x,y">, <ellipse cx cy rx ry
[rotation]>, <mask rle left top width height>, each with occluded, z_order, source, group_id and <attribute name>.

A box that is turned and an ellipse are polygons (an ellipse within 0.1 pixel). Polygons and masks of one label and one
group_id are one object; a group_id of 0 is none. Lines, points, cuboids and skeletons have no area and are left out;
shapes without a label are regions to ignore. What lies above what z_order says first, as in CVAT (`painting.paint`).

The attributes "labelmint_box" and "labelmint_crowd" are this package's own, see `cvat_write`. In its older sets, which
have a classes.json and whose root says no generator, they are called "box" and "crowd".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import finite, json_value
from labelmint.formats.format import Orientation
from labelmint.formats.joined_shapes import (
    Points,
    Shape,
    clipped,
    ellipse,
    joined,
    of_polygon,
    of_window,
    turned_box,
)
from labelmint.formats.named_classes import NamedClasses
from labelmint.formats.odd import Odd
from labelmint.formats.records import Record, size_of
from labelmint.formats.shapes import check_extent, parse_box, parse_polygons
from labelmint.types import LayoutObject

__all__ = ["OWN", "WITHOUT_AREA", "Shapes"]

OWN = ("labelmint_box", "labelmint_crowd")
WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")


@dataclass(frozen=True)
class Shapes:
    """Reads the shapes of images; what is odd is told, what is left out is counted."""

    types: Mapping[tuple[str, str], str]
    classes: NamedClasses
    orientation: Orientation
    odd: Odd
    told: Counter[str]

    def record(self, image: Element, file: Path, what: str, name: str, old: bool) -> Record:
        """An image and its objects; `old` in sets where the names of this package's own attributes were shorter."""
        sides = [None if image.get(key) is None else _whole(image, key, what) for key in ("height", "width")]
        size, stated = size_of((sides[0], sides[1]), file, self.orientation, what)
        shapes = []
        for number, element in enumerate(image):
            try:
                if element.tag in _READERS:
                    shapes.append(self._shape(element, size, f"{what}: {element.tag} {number}", old))
                else:
                    self.told[f"shapes of type {element.tag[:20]!r} have no area and are left out"] += 1
            except InputError as error:
                self.odd.refuse_one("bad shape", error, name)
        return Record(path=file, size=size, objects=joined(shapes, size), stated=stated)

    def _shape(self, element: Element, size: tuple[int, int], what: str, old: bool) -> Shape:
        label = element.get("label", "")
        if not label:
            self.told["shapes without a label are ignored"] += 1
        if element.tag == "ellipse":
            self.told["ellipses are read as polygons, within 0.1 pixels"] += 1
        one = _READERS[element.tag](element, size, what)
        attributes = self._attributes(element, label, what)
        box, crowd = _own_facts(attributes, old)
        class_id = self.classes.ids[label] if label else self.classes.ignored
        group = (_whole(element, "group_id", what) or None) if element.get("group_id") else None
        one = replace(one, class_id=class_id, attributes=attributes, crowd=crowd)
        return Shape(
            one=one,
            group=group,
            joins=one.rle is not None or one.polygons is not None,
            box=parse_box(json_value(box, f"{what}: its box"), size, what) if box else None,
        )

    def _attributes(self, element: Element, label: str, what: str) -> dict[str, Any]:
        """Further facts of a shape: its own fields where they say something, and its attributes."""
        found: dict[str, Any] = {"occluded": True} if element.get("occluded") == "1" else {}
        if element.get("z_order", "0") != "0":
            found["z_order"] = _whole(element, "z_order", what)
        if element.get("source", "manual") != "manual":
            found["source"] = element.get("source")
        for child in element.iterfind("attribute"):
            name = child.get("name", "")
            found[name] = _valued(child.text or "", self.types.get((label, name), ""))
        return found


def _own_facts(attributes: dict[str, Any], old: bool) -> tuple[str, bool]:
    """Take the stated box, empty where there is none, and whether it is a crowd out of the attributes of a shape."""
    box, crowd = (str(attributes.pop(key, "")) for key in OWN)
    if old and attributes.get("crowd") is True:
        crowd = str(attributes.pop("crowd"))
    if old and str(attributes.get("box", "")).startswith("["):
        box = attributes.pop("box")
    return box, crowd.lower() == "true"


def _valued(text: str, kind: str) -> Any:
    """The value of an attribute: true or false of a checkbox, a number, or text."""
    if kind == "checkbox" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "number":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if finite(value) else text
    return text


def _whole(element: Element, key: str, what: str) -> int:
    text = element.get(key, "")
    if not re.fullmatch(r"-?[0-9]{1,10}", text.strip()):
        raise InputError(f"{what} has {key} {text[:40]!r}; expected a whole number")
    return int(text)


def _numbers(text: str, between: str, what: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.split(between)]
    except ValueError:
        numbers = [float("nan")]
    if not all(map(finite, numbers)):
        raise InputError(f"{what} has {text[:60]!r}; expected finite numbers")
    return numbers


def _fields(element: Element, keys: Sequence[str], what: str) -> list[float]:
    return [_numbers(element.get(key, ""), ",", f"{what}: {key}")[0] for key in keys]


def _turn(element: Element, what: str) -> float:
    return _fields(element, ["rotation"], what)[0] if element.get("rotation") else 0.0


def _box(element: Element, size: tuple[int, int], what: str) -> LayoutObject:
    x0, y0, x1, y1 = _fields(element, ("xtl", "ytl", "xbr", "ybr"), what)
    if x0 > x1 or y0 > y1:
        raise InputError(
            f"{what} is a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}); expected the smaller first"
        )
    turned = _turn(element, what)
    if turned:
        return _convex(turned_box((x0, y0, x1, y1), turned), size, what)
    check_extent(x0, y0, x1, y1, size, what)
    return LayoutObject(class_id=0, box=(x0, y0, x1, y1))


def _ellipse(element: Element, size: tuple[int, int], what: str) -> LayoutObject:
    cx, cy, rx, ry = _fields(element, ("cx", "cy", "rx", "ry"), what)
    if rx <= 0 or ry <= 0:
        raise InputError(f"{what} is an ellipse of radii {rx:g} and {ry:g}; expected numbers above 0")
    return _convex(ellipse(cx, cy, rx, ry, _turn(element, what)), size, what)


def _convex(points: Points, size: tuple[int, int], what: str) -> LayoutObject:
    return of_polygon(0, clipped(points, size, what), {})


def _polygon(element: Element, size: tuple[int, int], what: str) -> LayoutObject:
    pairs = [_numbers(pair, ",", f"{what}: a point") for pair in element.get("points", "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{what} has points {element.get('points', '')[:60]!r}; expected x,y;x,y;x,y")
    return of_polygon(0, parse_polygons([[number for pair in pairs for number in pair]], size, what)[0], {})


def _mask(element: Element, size: tuple[int, int], what: str) -> LayoutObject:
    """A mask: run lengths along the rows of its window, first those of pixels that are not set."""
    left, top, width, height = (_whole(element, key, what) for key in ("left", "top", "width", "height"))
    if not (0 < width <= size[1] and 0 < height <= size[0]):
        raise InputError(f"{what} is a mask of {height}x{width} pixels (height x width); export it again")
    try:
        counts = [int(count) for count in element.get("rle", "").split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0 or sum(counts) != height * width:
        raise InputError(
            f"{what} has run lengths that are none of its {height}x{width} pixels; export it again"
        )
    runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return of_window(0, runs.reshape(height, width), left, top, size, what)


_READERS: Mapping[str, Callable[[Element, tuple[int, int], str], LayoutObject]] = {
    "box": _box,
    "ellipse": _ellipse,
    "polygon": _polygon,
    "mask": _mask,
}

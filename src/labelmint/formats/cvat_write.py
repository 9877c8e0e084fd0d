"""Writing the `cvat` format: annotations.xml, images/ with a folder a subset, and classes.json with the class ids.

A box is a box, each polygon a polygon (several of one object have one group_id), run lengths are a mask. What CVAT has
no word for is an attribute: "labelmint_crowd", and "labelmint_box" where it is not the box around the shape.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.cvat_shapes import OWN
from labelmint.formats.files import finite
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.images_out import image_name, is_copied, write_image
from labelmint.formats.joined_shapes import boxed, free_groups
from labelmint.formats.named_classes import labels_of, write_classes
from labelmint.formats.painting import box_of, decode
from labelmint.formats.pieces import objects_of
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, LayoutObject

__all__ = ["write_cvat"]

_SUBSETS: Mapping[Part, str] = {"train": "Train", "validation": "Validation", "test": "Test"}
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LINES = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}  # which an XML reader would take for blanks


def write_cvat(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images and at the end the XML into an empty folder that exists; returns the names.

    Raises InputError for a doubled name, an unknown class id, and text that XML cannot hold.
    """
    (folder / "images").mkdir()
    for part in dict.fromkeys(writing.parts.values()):
        (folder / "images" / _SUBSETS[part]).mkdir()
    labels = labels_of(classes)
    attributes = {label: _Attributes() for label in labels.values()}
    images: list[str] = []
    used: dict[int, None] = {}
    names: dict[str, None] = {}

    def described() -> Iterator[AnnotatedImage]:
        for pair in uniquely_named(pairs, names):
            objects = objects_of(pair.layout, classes, writing.change)
            _check(pair, objects, labels)
            for one in objects:
                used[one.class_id] = None
                attributes[labels[one.class_id]].take(_said(one, pair.layout.size))
            images.append(_image(len(names) - 1, pair, objects, labels, writing))
            yield pair

    def put(pair: AnnotatedImage) -> None:
        part = writing.parts.get(pair.name)
        write_image(folder / "images" / _SUBSETS[part] if part else folder / "images", pair, writing)

    write_each(described(), put, lambda pair: is_copied(pair, writing))
    turned = sum(one.turned for one in attributes.values())
    writing.change("attributes approximated", "values of attributes become text", turned)
    colors = {info.id: info.color for info in classes.classes}
    listed = "".join(
        _label(label, colors.get(i), attributes[label])
        for i, label in labels.items()
        if i in colors or i in used
    )
    meta = f"  <meta>\n    <task>\n      <labels>\n{listed}      </labels>\n    </task>\n  </meta>\n"
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations generator="labelmint">\n  <version>1.1</version>\n'
    write_text(folder / "annotations.xml", f"{head}{meta}{''.join(images)}</annotations>\n")
    write_classes(folder, classes)
    return list(names)


class _Attributes:
    """The attributes of a label, with the type that holds all their values."""

    def __init__(self) -> None:
        self._kinds: dict[str, Counter[str]] = {}
        self._ends: dict[str, tuple[float, float]] = {}

    def take(self, said: Mapping[str, Any]) -> None:
        """Learn from the attributes of one object."""
        for name, value in said.items():
            kind = _kind_of(value)
            self._kinds.setdefault(name, Counter())[kind] += 1
            if kind == "number":
                low, high = self._ends.get(name, (value, value))
                self._ends[name] = min(low, value), max(high, value)

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """Name, type and values of each."""
        for name, kinds in sorted(self._kinds.items()):
            kind = _type_of(kinds)
            low, high = self._ends.get(name, (0, 0))
            values = {"checkbox": "false\ntrue", "number": f"{floor(low)}\n{ceil(high)}\n1"}
            yield name, kind, values.get(kind, "")

    @property
    def turned(self) -> int:
        """Values that are read as text and are none."""
        return sum(
            kinds.total() - kinds["text"] for kinds in self._kinds.values() if _type_of(kinds) == "text"
        )


def _kind_of(value: Any) -> str:
    """A type of CVAT's that holds a value, or "json" where none does."""
    if isinstance(value, str):
        return "text"
    return "checkbox" if isinstance(value, bool) else "number" if finite(value) else "json"


def _type_of(kinds: Counter[str]) -> str:
    """The type of an attribute, by the counts of the kinds of its values."""
    (kind, *others) = kinds
    return "text" if others or kind == "json" else kind


def _label(name: str, color: tuple[int, int, int] | None, attributes: _Attributes) -> str:
    shown = f"          <color>#{bytes(color).hex()}</color>\n" if color else ""
    each = "".join(
        f"            <attribute>\n              <name>{_text(attribute)}</name>\n"
        f"              <mutable>False</mutable>\n              <input_type>{kind}</input_type>\n"
        f"              <default_value></default_value>\n"
        f"              <values>{values}</values>\n            </attribute>\n"
        for attribute, kind, values in attributes
    )
    listed = (
        f"          <attributes>\n{each}          </attributes>\n" if each else "          <attributes/>\n"
    )
    named = f"          <name>{_text(name)}</name>\n{shown}          <type>any</type>\n"
    return f"        <label>\n{named}{listed}        </label>\n"


def _check(pair: AnnotatedImage, objects: Iterable[LayoutObject], labels: Mapping[int, str]) -> None:
    for one in objects:
        if one.class_id not in labels:
            raise InputError(
                f"an object of {pair.name!r} has class id {one.class_id}, which is not in the class list"
            )
        taken = sorted(set(OWN) & set(one.attributes))
        if taken:
            raise InputError(
                f"an object of {pair.name!r} has the attribute {taken[0]!r}, which the format cvat has for "
                "itself; rename it"
            )


def _image(
    number: int,
    pair: AnnotatedImage,
    objects: tuple[LayoutObject, ...],
    labels: Mapping[int, str],
    writing: Writing,
) -> str:
    part = writing.parts.get(pair.name)
    subset = f' subset="{_SUBSETS[part]}"' if part else ""
    height, width = pair.layout.size
    name = _text(image_name(pair, writing))
    groups = free_groups(objects, least=1)
    shapes = "".join(
        _shapes(one, labels[one.class_id], groups.get(i), pair.layout.size) for i, one in enumerate(objects)
    )
    return f'  <image id="{number}" name="{name}"{subset} width="{width}" height="{height}">\n{shapes}  </image>\n'


def _said(one: LayoutObject, size: tuple[int, int]) -> dict[str, Any]:
    """What is written as attributes of an object."""
    found = dict(one.attributes)
    for key in _fields(one):
        del found[key]
    box, crowd = OWN
    found |= {crowd: True} if one.crowd else {}
    return found | ({} if one.box == boxed(one, size) else {box: json.dumps(one.box)})


def _fields(one: LayoutObject) -> dict[str, str]:
    """The attributes that are fields in CVAT."""
    said = one.attributes
    found = {"occluded": "1"} if said.get("occluded") is True else {}
    z_order, source = said.get("z_order"), said.get("source")
    found |= {"source": source} if isinstance(source, str) and source not in ("", "manual") else {}
    return found | (
        {"z_order": str(z_order)} if type(z_order) is int and z_order and abs(z_order) < 10**9 else {}
    )


def _shapes(one: LayoutObject, label: str, group: int | None, size: tuple[int, int]) -> str:
    said = _said(one, size)
    if group is not None and said.get("group_id") == group:
        del said["group_id"]
    fields = {"source": "manual", "occluded": "0", "z_order": "0"} | _fields(one)
    fields |= {} if group is None else {"group_id": str(group)}
    children = "".join(
        f'      <attribute name="{_text(name)}">{_text(_value(value))}</attribute>\n'
        for name, value in said.items()
    )
    written = []
    for tag, own in _geometry(one, size):
        inside = " ".join(
            f'{key}="{_text(value)}"' for key, value in ({"label": label} | fields | own).items()
        )
        written.append(f"    <{tag} {inside}>\n{children}    </{tag}>\n")
    return "".join(written)


def _geometry(one: LayoutObject, size: tuple[int, int]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each element of an object: its name, and the fields that say where it is."""
    if one.rle is not None:
        yield "mask", _mask(decode(one.rle, size))
    elif one.polygons is None:
        yield "box", dict(zip(("xtl", "ytl", "xbr", "ybr"), map(repr, map(float, one.box)), strict=True))
    else:
        for points in one.polygons:
            pairs = zip(points[::2], points[1::2], strict=True)
            yield "polygon", {"points": ";".join(f"{float(x)!r},{float(y)!r}" for x, y in pairs)}


def _mask(binary: Array) -> dict[str, str]:
    """Run lengths along the rows of the window around a mask; one pixel that is not set for a mask of none."""
    x0, y0, x1, y1 = map(int, box_of(binary)) if binary.any() else (0, 0, 1, 1)
    pixels = binary[y0:y1, x0:x1].ravel()
    edges = np.flatnonzero(np.diff(pixels, prepend=False))
    counts = np.diff([0, *edges.tolist(), len(pixels)])
    found = {
        "rle": ", ".join(map(str, counts.tolist())),
        "left": x0,
        "top": y0,
        "width": x1 - x0,
        "height": y1 - y0,
    }
    return {key: str(value) for key, value in found.items()}


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"an attribute cannot be written as JSON: {error}") from None


def _text(value: str) -> str:
    """Text as XML has it. Raises InputError for signs that it cannot hold."""
    odd = _NOT_XML.search(value)
    if odd:
        raise InputError(f"{value[:40]!r} holds {odd.group()!r}, which XML cannot hold; rename it")
    return "".join(_LINES.get(sign, sign) for sign in escape(value))

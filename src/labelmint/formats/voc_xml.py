"""Pascal VOC's XML of one image: boxes with names and whatever else stands under an object, read and written.

    <annotation><filename>NAME.jpg</filename><size><width/><height/><depth/></size><segmented/>
      <object><name/><pose/><truncated/><difficult/><bndbox><xmin/><ymin/><xmax/><ymax/></bndbox></object> ...

VOC counts pixels from 1 and its boxes include their last ones: x0 = xmin - 1, x1 = xmax. Numbers are taken in decimal,
so a box comes back to the float. What else an object has are its attributes: numbers, text, or JSON where it takes
more to tell them, true and false; sub-elements become objects of JSON. Attributes that cannot be elements stand as CVAT
writes its own: <attributes><attribute><name/><value/></attribute></attributes>. VOC's own flags are written as 1 and 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from labelmint.errors import InputError
from labelmint.formats.odd import Odd
from labelmint.formats.shapes import parse_polygons
from labelmint.formats.text_files import read_xml
from labelmint.types import AnnotatedImage, LayoutObject, Polygons

__all__ = ["FLAGS", "OWN", "Boxed", "Sheet", "read_sheet", "sheet_of"]

OWN = "labelmint"  # under source/database: boxes count from 1 whatever numbers they have

FLAGS = ("truncated", "difficult", "occluded")  # which programs take for whole numbers

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_SEGMENTED, _INSTANCE = "segmented", "instance"
_NOT_ATTRIBUTES = {"name", "bndbox", "polygon", "attributes"}
_TAG = re.compile(r"(?!(?i:xml))[A-Za-z_][A-Za-z0-9_.-]*\Z")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST = 10**9  # pixels
_WORDS = {"null": None, "true": True, "false": False}
_FEW = frozenset("0123456789")
_EXACT = Context(prec=50)
_DEEPEST = 8  # sub-elements of an object


@dataclass(frozen=True)
class Boxed:
    """An object as its XML has it: its class's name, and edges from 0 on, the last ones exclusive; `instance` where
    labelmint wrote its shape into SegmentationObject: its number there, or 0 for no pixel.
    """

    name: str
    box: tuple[float, float, float, float]
    polygon: tuple[float, ...] | None = None
    instance: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def polygons(self, size: tuple[int, int], what: str) -> Polygons | None:
        """The outline, checked against the image's size (H, W)."""
        return parse_polygons([list(self.polygon)], size, what) if self.polygon else None


@dataclass(frozen=True)
class Sheet:
    """An XML file: the image's file name and its size (H, W), where it says them, and the objects."""

    path: Path
    file_name: str | None
    size: tuple[int, int] | None
    own: bool
    objects: tuple[Boxed, ...]


def read_sheet(path: Path, odd: Odd) -> Sheet:
    """Read an XML file; objects that make no sense are refused one by one."""
    root = read_xml(path)
    if root.tag != "annotation":
        raise InputError(f"{path}: the XML of a {root.tag!r}; expected Pascal VOC's <annotation>")
    own = (root.findtext("source/database") or "").strip() == OWN
    objects = []
    for index, one in enumerate(root.findall("object")):
        try:
            objects.append(_object(one, own, path, index))
        except InputError as error:
            odd.refuse_one("bad object", error, path.stem)
    size = _whole(root.findtext("size/height")), _whole(root.findtext("size/width"))
    return Sheet(
        path=path,
        file_name=(root.findtext("filename") or "").strip() or None,
        size=(size[0], size[1]) if size[0] and size[1] else None,
        own=own,
        objects=tuple(objects),
    )


def _object(one: Element, own: bool, path: Path, index: int) -> Boxed:
    parts = {child.tag: child for child in one}
    box, name = parts.get("bndbox"), (parts["name"].text or "").strip() if "name" in parts else ""
    if not name or box is None:
        raise InputError(f"{path}: object {index} lacks a <name> or a <bndbox>; add it, or remove the object")
    attributes: dict[str, Any] = {}
    for child in one:
        if child.tag not in _NOT_ATTRIBUTES and not (own and child.tag == _SEGMENTED):
            _add(attributes, child.tag, _value(child, path))
    for child in parts["attributes"].findall("attribute") if "attributes" in parts else ():
        key = _text_value(child.findtext("name"), as_text=True)
        _add(attributes, key, _text_value(child.findtext("value")))
    what = f"{path}: object {index}"
    outline = _outline(parts["polygon"], what) if "polygon" in parts else None
    segmented = parts.get(_SEGMENTED) if own else None
    number = None if segmented is None else _whole(segmented.get(_INSTANCE, str(index + 1))) or 0
    return Boxed(name, _edges(box, what), outline, number, attributes)


def _edges(box: Element, what: str) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a <bndbox>."""
    texts = {child.tag: child.text for child in box}
    xmin, ymin, xmax, ymax = (_number(texts.get(edge), what, edge) for edge in _EDGES)
    if xmin > xmax + 1 or ymin > ymax + 1:
        raise InputError(
            f"{what} has a box from ({xmin}, {ymin}) to ({xmax}, {ymax}); expected the minimum first"
        )
    return _less_one(xmin), _less_one(ymin), float(xmax), float(ymax)


def _less_one(number: int | Decimal) -> float:
    return float(number - 1 if isinstance(number, int) else _EXACT.subtract(number, 1))


def _outline(outline: Element, what: str) -> tuple[float, ...] | None:
    """The corners x1, y1, x2, y2, ... that Roboflow writes beside a box."""
    texts = {child.tag: child.text for child in outline}
    if "x1" not in texts:
        return None
    names = [f"{axis}{index}" for index in range(1, len(texts) // 2 + 1) for axis in "xy"]
    return tuple(float(_number(texts.get(name), what, name)) for name in names)


def _number(text: str | None, what: str, edge: str) -> int | Decimal:
    stripped = (text or "").strip()
    whole = _whole(stripped)
    if whole is not None:
        return whole
    try:
        number = Decimal(stripped) if len(stripped) <= 60 else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not -_MOST <= number <= _MOST:
        raise InputError(
            f"{what}: {edge} is {stripped[:40]!r}, expected a number of pixels; mend it, or remove the object"
        )
    return number


def _whole(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and 0 < len(stripped) < 10 else None


def _add(attributes: dict[str, Any], key: str, value: Any) -> None:
    """Add a value; of a key that stands several times, all become a list."""
    if key not in attributes:
        attributes[key] = value
    else:
        before = attributes[key]
        attributes[key] = [*before, value] if isinstance(before, list) else [before, value]


def _value(element: Element, path: Path, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise InputError(f"{path}: an object is nested too deeply; remove what is inside <{element.tag}>")
    if not len(element):
        return _text_value(element.text)
    inside: dict[str, Any] = {}
    for child in element:
        _add(inside, child.tag, _value(child, path, depth + 1))
    return inside


def _text_value(text: str | None, as_text: bool = False) -> Any:
    """A number, true, false, null or JSON where the text is written just so, else the text."""
    plain = (text or "").strip()
    if plain in _FEW:
        return plain if as_text else int(plain)
    if plain[:1] in '"[{-0123456789' and plain and (not as_text or plain[0] == '"'):
        try:
            value = json.loads(plain)
            if json.dumps(value, sort_keys=True, allow_nan=False) == plain:
                return value
        except (ValueError, RecursionError):
            return plain
    return _WORDS.get(plain, plain) if not as_text else plain


def _as_text(value: Any, as_text: bool = False) -> str:
    """What `_text_value` reads as the value. Raises InputError for what JSON cannot hold."""
    if isinstance(value, str) and not _NOT_XML.search(value) and _text_value(value, as_text) == value:
        return value
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"an attribute cannot be written as JSON: {error}") from None


def sheet_of(
    pair: AnnotatedImage,
    file_name: str,
    folder: str,
    names: Mapping[int, str],
    instances: Sequence[int | None] | None,
) -> str:
    """The text of a pair's XML.

    Arguments:
        pair: the pair. file_name, folder: of its image.
        names: class id -> name, the ids to ignore included.
        instances: the number in SegmentationObject of each object that has a shape, 0 for one without pixels; None
            where no label PNGs lie beside the file.
    """
    height, width = pair.layout.size
    lines = [
        "<annotation>",
        f"  <folder>{folder}</folder>",
        f"  <filename>{_escaped(file_name)}</filename>",
        f"  <source>\n    <database>{OWN}</database>\n  </source>",
        f"  <size>\n    <width>{width}</width>\n    <height>{height}</height>",
        f"    <depth>{pair.channels}</depth>\n  </size>",
        f"  <segmented>{int(instances is not None)}</segmented>",
    ]
    for one, instance in zip(pair.layout.objects, instances or repeat(None), strict=False):
        if one.class_id not in names:
            raise InputError(
                f"an object of {pair.name!r} has class id {one.class_id}, which is not in the class list"
            )
        lines += _object_lines(one, names[one.class_id], instance)
    return "\n".join([*lines, "</annotation>"]) + "\n"


def _object_lines(one: LayoutObject, name: str, instance: int | None) -> list[str]:
    elements, others = [], []
    for key, value in one.attributes.items():
        if key not in {*_NOT_ATTRIBUTES, _SEGMENTED} and _TAG.match(key):
            flag = key in FLAGS and isinstance(value, bool)
            elements += _element(key, int(value) if flag else value, 4)
        else:
            others += [
                "      <attribute>",
                f"        <name>{_escaped(_as_text(key, as_text=True))}</name>",
                f"        <value>{_escaped(_as_text(value))}</value>",
                "      </attribute>",
            ]
    corners = zip(_EDGES, _corners(one.box), strict=True)
    return [
        "  <object>",
        f"    <name>{_escaped(name)}</name>",
        *([] if instance is None else [f'    <{_SEGMENTED} {_INSTANCE}="{instance}">1</{_SEGMENTED}>']),
        *elements,
        *(["    <attributes>", *others, "    </attributes>"] if others else []),
        "    <bndbox>",
        *(f"      <{edge}>{number}</{edge}>" for edge, number in corners),
        "    </bndbox>",
        "  </object>",
    ]


def _element(tag: str, value: Any, indent: int) -> list[str]:
    """An element; a mapping whose keys can all be tags becomes one with elements inside, as VOC's parts are."""
    blank = " " * indent
    if isinstance(value, list) and len(value) > 1 and all(isinstance(one, Mapping) and one for one in value):
        return [line for one in value for line in _element(tag, one, indent)]
    if isinstance(value, Mapping) and value and _can_be_elements(value, indent):
        inside = [line for key, part in value.items() for line in _element(key, part, indent + 2)]
        return [f"{blank}<{tag}>", *inside, f"{blank}</{tag}>"]
    return [f"{blank}<{tag}>{_escaped(_as_text(value))}</{tag}>"]


def _can_be_elements(value: Mapping[Any, Any], indent: int) -> bool:
    return indent < 12 and all(isinstance(key, str) and _TAG.match(key) for key in value)


def _corners(box: Sequence[float]) -> list[str]:
    """xmin, ymin, xmax, ymax in decimal: 0.1 is 1.1, and whole numbers have no point."""
    x0, y0, x1, y1 = (Decimal(repr(float(edge))) for edge in box)
    exact = (_EXACT.add(x0, 1), _EXACT.add(y0, 1), x1, y1)
    return [str(int(n)) if n == n.to_integral_value() else format(n, "f") for n in exact]


def _escaped(text: str) -> str:
    if _NOT_XML.search(text):
        raise InputError(f"{text!r} holds signs that XML cannot hold; rename it")
    return escape(text).replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")

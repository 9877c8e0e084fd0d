"""The `bbbc041` format: the JSON of boxes of the malaria set BBBC041 (Broad Bioimage Benchmark Collection);
read only.

[{"image": {"pathname": "/images/a.png", "shape": {"r": 1200, "c": 1600, "channels": 3}},
  "objects": [{"bounding_box": {"minimum": {"r": 1, "c": 2}, "maximum": {"r": 8, "c": 9}}, "category":
    "ring"}]}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set
from labelmint.formats.files import finite, read_json, read_splits
from labelmint.formats.format import AS_USUAL, Format, Reading
from labelmint.formats.json_files import json_files, one_of
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import Record, RecordLoader, names_of, or_swapped
from labelmint.formats.shapes import check_extent
from labelmint.types import ClassInfo, ClassSet, DataSet, LayoutObject

__all__ = ["CATEGORIES", "FORMAT", "read_bbbc041"]

CATEGORIES = ("red blood cell", "trophozoite", "ring", "schizont", "gametocyte", "leukocyte")  # ids 1, 2, ...

_DIFFICULT = "difficult"  # cells that the annotators could not tell: ignored
_FORM = "expected a list of {image: {pathname, shape}, objects: [{bounding_box, category}]}"


def read_bbbc041(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set of boxes; other categories than the six follow them in alphabetical order.

    Images are looked for by their pathname beside the JSON file, and by their bare name there and in images/. Boxes of
    category "difficult" are ignored (255).
    """
    ignore, strict = reading.ignore, reading.strict
    path = one_of(path, _json_files(path), "bbbc041") if path.is_dir() else path
    odd = Odd(strict)
    items = read_json(path)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{path}: {_FORM}")
    classes, ids = _classes(items, ignore, path)
    files = [_pathname(item, path) for item in items]
    records: dict[str, Record] = {}
    missing = []
    lookup = Lookup()
    for item, file_name, name in zip(items, files, names_of(files, str(path)), strict=True):
        bare = Path(file_name).name
        image = find_image([file_name, f"images/{bare}", bare], [path.parent], str(path), lookup)
        if image is None:
            missing.append(name)
        else:
            size = _size(item["image"], path)
            objects = _objects(item, name, Record(path=image, size=size), ids, odd, path)
            records[name] = Record(path=image, size=size, objects=objects)
    text = (
        f"{path}: {len(missing)} of its images are missing, first {first_of(missing)}; put them into "
        f"{path.parent / 'images'}"
    )
    odd.refuse("missing image", text, missing)
    if not records:
        raise InputError(f"{path}: no labelled images; {_FORM}")
    names = tuple(sorted(records))
    parts = read_splits(path.parent, names, odd)
    return DataSet(
        source=str(path),
        format="bbbc041",
        classes=classes,
        names=names,
        load=RecordLoader(records, str(path), orientation=reading.orientation),
        **parts._asdict(),
        findings=odd.findings,
    )


def _classes(
    items: Sequence[dict[str, Any]], ignore: Sequence[int], path: Path
) -> tuple[ClassSet, dict[str, int]]:
    listed = [_object_list(item, path) for item in items]
    named = {one["category"] for objects in listed for one in objects if isinstance(one.get("category"), str)}
    names = (*CATEGORIES, *sorted(named - {*CATEGORIES, _DIFFICULT}))
    ids = {name: i for i, name in enumerate(names, 1)}
    infos = [ClassInfo(id=0, name="background"), *(ClassInfo(id=i, name=name) for name, i in ids.items())]
    return class_set(infos, ignore), ids | {_DIFFICULT: IGNORE}


def _object_list(item: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    objects = item.get("objects", [])
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise InputError(f"{path}: {_FORM}")
    return objects


def _pathname(item: dict[str, Any], path: Path) -> str:
    """The path of an item's image, relative to the JSON's folder (BBBC041 itself writes a leading slash)."""
    image = item.get("image")
    if not isinstance(image, dict) or not isinstance(image.get("pathname"), str):
        raise InputError(f"{path}: an item without image or pathname; {_FORM}")
    return str(image["pathname"]).lstrip("/")


def _size(image: Mapping[str, Any], path: Path) -> tuple[int, int]:
    shape = image.get("shape")
    height, width = (shape.get("r"), shape.get("c")) if isinstance(shape, dict) else (None, None)
    if type(height) is not int or type(width) is not int or height < 1 or width < 1:
        raise InputError(
            f"{path}: {image['pathname']!r} has shape {shape!r}; expected {{r: rows, c: columns}}"
        )
    return height, width


def _objects(
    item: dict[str, Any], name: str, record: Record, ids: Mapping[str, int], odd: Odd, path: Path
) -> tuple[LayoutObject, ...]:
    objects = []
    for index, one in enumerate(_object_list(item, path)):
        try:
            objects.append(_object(one, record.size, ids, f"{path}: object {index} of {name!r}"))
        except InputError as error:
            odd.refuse_one("bad box", or_swapped(error, record.path, record.size, str(path)), name)
    return tuple(objects)


def _object(one: dict[str, Any], size: tuple[int, int], ids: Mapping[str, int], what: str) -> LayoutObject:
    try:
        low, high = one["bounding_box"]["minimum"], one["bounding_box"]["maximum"]
        edges = [low["c"], low["r"], high["c"], high["r"]]
        class_id = ids[one["category"]]
    except (KeyError, TypeError):
        raise InputError(
            f"{what} lacks a bounding_box with minimum and maximum {{r, c}}, or a category"
        ) from None
    if not all(map(finite, edges)) or edges[0] > edges[2] or edges[1] > edges[3]:
        raise InputError(f"{what} has a box from {low} to {high}; expected finite numbers, the minimum first")
    x0, y0, x1, y1 = map(float, edges)
    check_extent(x0, y0, x1, y1, size, what)
    attributes = {key: value for key, value in one.items() if key not in ("bounding_box", "category")}
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1), attributes=attributes)


def _json_files(path: Path) -> list[Path]:
    return json_files(path, b"[", (b"pathname", b"objects"))


FORMAT = Format(
    name="bbbc041",
    title="the JSON of boxes of the malaria set BBBC041",
    recognizes=lambda path: bool(_json_files(path)),
    reads=read_bbbc041,
)

"""The `coco` format: an instances JSON in COCO's layout beside images/; its objects are read and written
without loss.

    instances.json {"images": [{id, file_name, width, height}], "categories": [{id, name}],
                    "annotations": [{id, image_id, category_id, bbox: [x, y, w, h], segmentation, area,
                      iscrowd, ...}]}

Category ids are the class ids, and what no object covers is the category called background, else 0. Where 0 is a
category of another name, every class id is the category id + 1. `coco_write` is the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set
from labelmint.formats.files import find_image, finite, read_json, read_splits
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.image_files import image_size
from labelmint.formats.json_files import json_files, one_of
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.painting import box_of, decode
from labelmint.formats.records import Record, RecordLoader, names_of
from labelmint.formats.shapes import check_extent, parse_polygons, parse_rle
from labelmint.types import ClassInfo, ClassSet, DataSet, LayoutObject

__all__ = ["FORMAT", "GROUND", "STANDARD_KEYS", "read_coco"]

GROUND = "ground"  # under "info": the class of what no object covers, where it is not 0, "background"; null for none
_UNSAID = object()
# the others are attributes
STANDARD_KEYS = ("area", "bbox", "category_id", "id", "image_id", "iscrowd", "segmentation")


def read_coco(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set of objects, from its folder or its JSON file; images are looked for in images/ and beside it."""
    ignore, strict = reading.ignore, reading.strict
    path = one_of(path, _json_files(path), "coco") if path.is_dir() else path
    odd = Odd(strict)
    images, annotations, categories, info = _document(path)
    classes, ids, ground = _classes(categories, info, ignore, path)
    files = _image_files(images, path, odd)
    kept = [image for image in images if image["id"] in files]
    if not kept:
        raise InputError(
            f"{path}: no labelled images; it lists {len(images)} images and none of them was found"
        )
    sizes = {image["id"]: _size(image, files[image["id"]], path, reading.orientation) for image in kept}
    names = dict(zip(sizes, names_of([image["file_name"] for image in kept], str(path)), strict=True))
    listed = {image["id"] for image in images}
    objects: dict[Any, list[LayoutObject]] = {image_id: [] for image_id in sizes}
    for annotation in annotations:
        image_id = annotation.get("image_id")
        try:
            what = f"{path}: annotation {annotation.get('id')!r}"
            if not _is_id(image_id) or image_id not in listed:
                raise InputError(
                    f"{what} has the unknown image id {image_id!r}; list the image, or remove the annotation"
                )
            if image_id in sizes:
                what += f" of {names[image_id]!r}"
                objects[image_id].append(_object(annotation, sizes[image_id], ids, what))
        except InputError as error:
            odd.refuse_one("bad annotation", error, names.get(image_id, "") if _is_id(image_id) else "")
    records = {names[i]: Record(path=files[i], size=sizes[i], objects=tuple(objects[i])) for i in sizes}
    ordered = tuple(sorted(records))
    parts = read_splits(_home(path), ordered, odd)
    return DataSet(
        source=str(path),
        format="coco",
        classes=classes,
        names=ordered,
        load=RecordLoader(records, str(path), ground, reading.orientation),
        **parts._asdict(),
        findings=odd.findings,
    )


def _document(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]], Any]:
    """Images, annotations and categories, each a list of objects with sound ids, and what stands under "info"."""
    document = read_json(path)
    parts = [
        document.get(key) if isinstance(document, dict) else None
        for key in ("images", "annotations", "categories")
    ]
    for key, part in zip(("images", "annotations", "categories"), parts, strict=True):
        if not isinstance(part, list) or not all(isinstance(item, dict) for item in part):
            raise InputError(f'{path}: not a COCO instances file; expected "{key}" as a list of objects')
    images, annotations, categories = (part or [] for part in parts)
    for kind, items in (("image", images), ("category", categories)):
        seen: set[Any] = set()
        for item in items:
            if not _is_id(item.get("id")) or item["id"] in seen:
                raise InputError(
                    f"{path}: {kind} id {item.get('id')!r} is doubled or no number; each needs its own"
                )
            seen.add(item["id"])
    return images, annotations, categories, document.get("info")


def _home(path: Path) -> Path:
    """The data set's folder: the JSON's, or the one above annotations/."""
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _classes(
    categories: Sequence[dict[str, Any]], info: Any, ignore: Sequence[int], path: Path
) -> tuple[ClassSet, dict[int, int], int]:
    """The classes, category id -> class id, and the id of what no object covers."""
    for category in categories:
        if not isinstance(category["id"], int) or not isinstance(category.get("name"), str):
            raise InputError(f"{path}: the category {category!r} needs a whole number as id and text as name")
    marked = [
        one["id"] for one in categories if one.get("ignore") is True
    ]  # labelmint's own mark of regions to ignore
    real = [one for one in categories if one.get("ignore") is not True]
    own = info.get(GROUND, _UNSAID) if isinstance(info, dict) else _UNSAID
    infos = [ClassInfo(id=one["id"], name=one["name"], color=_color(one)) for one in real]
    try:
        if own is None:  # as labelmint writes sets in which every pixel has a class
            ground = next(iter(marked), IGNORE)
        elif isinstance(own, dict) and type(own.get("id")) is int and isinstance(own.get("name"), str):
            infos.append(ClassInfo(id=own["id"], name=own["name"], color=_color(own)))
            ground = own["id"]
        elif (named := ClassSet(tuple(infos)).ground) is not None:
            ground = named
        else:
            shift = int(any(one["id"] == 0 for one in real))
            infos = [replace(one, id=one.id + shift, category=one.id if shift else None) for one in infos] + [
                ClassInfo(id=0, name="background")
            ]
            ids = {one["id"]: one["id"] + shift for one in real} | {i: i for i in marked}
            return class_set(infos, (*ignore, *marked)), ids, 0
        return class_set(infos, (*ignore, *marked)), {one["id"]: one["id"] for one in categories}, ground
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _color(category: Mapping[str, Any]) -> tuple[int, int, int] | None:
    color = category.get("color")
    if (
        isinstance(color, list)
        and len(color) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in color)
    ):
        return color[0], color[1], color[2]
    return None


def _image_files(images: Sequence[dict[str, Any]], path: Path, odd: Odd) -> dict[Any, Path]:
    """Image id -> file, for the images that are there."""
    folders = dict.fromkeys((path.parent, _home(path)))
    roots = [
        root
        for folder in folders
        for root in (folder / "images", folder, folder / path.stem.rpartition("_")[2])
    ]
    found = {image["id"]: find_image(image.get("file_name"), roots, str(path)) for image in images}
    missing = [str(image["file_name"]) for image in images if found[image["id"]] is None]
    text = (
        f"{path}: {len(missing)} of its images are missing, first {first_of(missing)}; put them into "
        f"{roots[0]}"
    )
    odd.refuse("missing image", text, missing)
    return {image_id: file for image_id, file in found.items() if file is not None}


def _size(image: Mapping[str, Any], file: Path, path: Path, orientation: Orientation) -> tuple[int, int]:
    height, width = image.get("height"), image.get("width")
    if height is None and width is None:
        return image_size(file, orientation)
    if type(height) is not int or type(width) is not int or height < 1 or width < 1:
        raise InputError(
            f"{path}: image {image['id']!r} has width {width!r} and height {height!r}; expected whole "
            f"numbers above 0"
        )
    return height, width


def _object(
    annotation: Mapping[str, Any], size: tuple[int, int], ids: Mapping[int, int], what: str
) -> LayoutObject:
    category, crowd = annotation.get("category_id"), annotation.get("iscrowd", 0)
    if type(category) is not int or category not in ids:
        raise InputError(
            f"{what} has the unknown category id {category!r}; list the category, or remove the annotation"
        )
    if crowd not in (0, 1):
        raise InputError(f"{what} has iscrowd {crowd!r}; expected 0 or 1")
    segmentation = annotation.get("segmentation") or None
    rle = parse_rle(segmentation, size, what) if isinstance(segmentation, dict) else None
    if segmentation is not None and not isinstance(segmentation, list | dict):
        raise InputError(f"{what} has a segmentation that is neither polygons nor run lengths")
    polygons = parse_polygons(segmentation, size, what) if isinstance(segmentation, list) else None
    one = LayoutObject(class_id=ids[category], box=(0.0, 0.0, 0.0, 0.0), rle=rle, polygons=polygons)
    return LayoutObject(
        class_id=one.class_id,
        box=_box(annotation, one, size, what),
        rle=rle,
        polygons=polygons,
        crowd=bool(crowd),
        attributes={key: value for key, value in annotation.items() if key not in STANDARD_KEYS},
    )


def _box(
    annotation: Mapping[str, Any], one: LayoutObject, size: tuple[int, int], what: str
) -> tuple[float, float, float, float]:
    """The box of bbox, or around the shape where bbox is left out."""
    bbox = annotation.get("bbox")
    if bbox is None:
        return _box_around(one, size, what)
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(finite, bbox)) or min(bbox[2:]) < 0:
        raise InputError(
            f"{what} has bbox {bbox!r}; expected [x, y, width, height], finite and not negative in size"
        )
    x, y, width, height = map(float, bbox)
    check_extent(x, y, x + width, y + height, size, f"{what}: its box")
    return x, y, x + width, y + height


def _box_around(one: LayoutObject, size: tuple[int, int], what: str) -> tuple[float, float, float, float]:
    if one.polygons:
        xs, ys = (
            [x for polygon in one.polygons for x in polygon[::2]],
            [y for polygon in one.polygons for y in polygon[1::2]],
        )
        return min(xs), min(ys), max(xs), max(ys)
    if one.rle:
        return box_of(decode(one.rle, size))
    raise InputError(f"{what} has neither bbox nor segmentation")


def _json_files(path: Path) -> list[Path]:
    return json_files(path, b"{", (b"images", b"annotations", b"categories"))


FORMAT = Format(
    name="coco",
    title="a COCO instances JSON with polygons, run lengths, boxes and crowds beside images/",
    recognizes=lambda path: path if _json_files(path) else None,
    reads=read_coco,
    carries=Carries(
        **dict.fromkeys(
            (
                "boxes",
                "overlaps",
                "polygons",
                "holes",
                "parts",
                "instances",
                "attributes",
                "crowds",
                "ignore",
            ),
            KEPT,
        ),
        maps="kept where objects say them: pieces of each class",
        wide=KEPT,
        colors=KEPT,
    ),
)

"""Writing the `coco` format: objects are copied; where there are maps only, objects are made from them.

The objects of a layout with maps only: each instance with the class of most of its pixels, then the connected
pieces of the rest. The ground, `ClassSet.ground`, is no category; where it is not 0 and called "background" it
stands under "info". Regions to ignore, where there are any, get
a category marked `"ignore": true`, which `read_coco` understands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.coco import STANDARD_KEYS
from labelmint.formats.files import dump_json, uniquely_named, write_each
from labelmint.formats.format import PLAIN, Writing
from labelmint.formats.images_out import write_image
from labelmint.formats.painting import area_of, objects_from_instances
from labelmint.formats.shapes import length_between
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, LayoutObject

__all__ = ["JSON_NAME", "write_coco"]

JSON_NAME = "instances.json"


def write_coco(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images and at the end the JSON into an empty folder that exists; returns the names.

    Raises InputError for a doubled name, an unknown class id, and an attribute that is named like one of
    COCO's own keys.
    """
    (folder / "images").mkdir()
    categories = _category_ids(classes)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: dict[str, None] = {}

    def described() -> Iterator[AnnotatedImage]:
        for pair in uniquely_named(pairs, names):
            height, width = pair.layout.size
            file_name = f"{pair.name}.{writing.image_format}"
            images.append({"id": len(names), "file_name": file_name, "width": width, "height": height})
            for one in _objects(pair):
                annotation = _annotation(one, pair, categories)
                annotations.append({"id": len(annotations) + 1, "image_id": len(names)} | annotation)
            yield pair

    write_each(described(), lambda pair: write_image(folder / "images", pair, writing))
    used = {annotation["category_id"] for annotation in annotations}
    document = {
        "info": {
            "description": "Written by labelmint. Objects as annotated; made from instances, else from "
            "connected components."
        },
        "images": images,
        "annotations": annotations,
        "categories": _categories(classes, categories, used),
    }
    write_text(folder / JSON_NAME, dump_json(document))
    return list(names)


def _category_ids(classes: ClassSet) -> dict[int, int]:
    """Class id -> category id, ignore ids included."""
    real = [
        info for info in classes.classes if (info.id, info.name, info.category) != (0, "background", None)
    ]
    ids = {info.id: info.id if info.category is None else info.category for info in real}
    if len(set(ids.values())) < len(ids):
        raise InputError(
            f"two classes have the same COCO category id: {sorted(ids.values())}; give each its own"
        )
    # Category ids and class ids may differ by one, so an ignore id can be taken: then the next free one
    # stands for it.
    free = (number for number in range(65536) if number not in ids.values())
    for ignored in classes.ignore:
        ids[ignored] = ignored if ignored not in ids.values() else next(free)
    return ids


def _categories(classes: ClassSet, ids: Mapping[int, int], used: set[int]) -> list[dict[str, Any]]:
    known = {info.id: info for info in classes.classes}
    entries = [
        _category(number, known.get(class_id))
        for class_id, number in ids.items()
        if class_id in known or number in used
    ]
    return sorted(entries, key=lambda entry: int(entry["id"]))


def _category(number: int, info: ClassInfo | None) -> dict[str, Any]:
    if info is None:
        return {"id": number, "name": "ignore", "ignore": True}
    return {"id": number, "name": info.name} | ({"color": list(info.color)} if info.color else {})


def _objects(pair: AnnotatedImage) -> tuple[LayoutObject, ...]:
    return pair.layout.objects or objects_from_instances(pair.layout.label_map, pair.layout.instances)


def _annotation(one: LayoutObject, pair: AnnotatedImage, categories: Mapping[int, int]) -> dict[str, Any]:
    if one.class_id not in categories:
        raise InputError(
            f"an object of {pair.name!r} has class id {one.class_id}, which is not in the class list"
        )
    taken = sorted(set(STANDARD_KEYS) & set(one.attributes))
    if taken:
        raise InputError(
            f"an object of {pair.name!r} has the attribute {taken[0]!r}, which is one of COCO's own; rename "
            f"it"
        )
    x0, y0, x1, y1 = one.box
    return {
        **one.attributes,
        "category_id": categories[one.class_id],
        "bbox": [x0, y0, length_between(x0, x1), length_between(y0, y1)],
        "area": area_of(one, pair.layout.size),
        "iscrowd": int(one.crowd),
        "segmentation": _segmentation(one),
    }


def _segmentation(one: LayoutObject) -> Any:
    if one.rle is not None:
        return {"size": list(one.rle["size"]), "counts": one.rle["counts"]}
    return [list(polygon) for polygon in one.polygons or ()]

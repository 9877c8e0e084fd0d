"""Writing the `coco` format: objects are copied; what maps say beside them becomes objects too (`pieces`).

Pairs without parts, or all of one, become instances.json beside images/ with train.txt, val.txt or test.txt; pairs of
several parts annotations/instances_{train,val,test}.json over images/{train,val,test}/, as trainers expect them.

The ground, `ClassSet.ground`, is no category unless it has objects; where it is not 0 and called "background" it
stands under "info". Regions to ignore, where there are any, get a category marked `"ignore": true`.
What a reader could not tell from the ids, it is told by a `class_id` in each category.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.coco_classes import CLASS_ID, GROUND, MADE_UP, classes_of
from labelmint.formats.coco_extras import Extras, Numbers, beside_lists
from labelmint.formats.coco_files import name_of_part
from labelmint.formats.coco_objects import STANDARD_KEYS
from labelmint.formats.files import Parts, dump_json, write_splits
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.images_out import image_name, is_copied, write_image
from labelmint.formats.painting import area_of
from labelmint.formats.pieces import objects_of
from labelmint.formats.shapes import length_between
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, LayoutObject

__all__ = ["JSON_NAME", "category_ids", "info_and_categories", "write_coco"]

JSON_NAME = "instances.json"
_ABOUT = "Written by labelmint. Objects as annotated, and made from what label maps say beside them."

Entries = list[dict[str, Any]]


def write_coco(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images and at the end the JSON, or one a part, into an empty folder that exists; returns the names.

    Raises InputError for a doubled name, an unknown class id, and an attribute that is named like one of
    COCO's own keys.
    """
    apart = len(set(writing.parts.values())) > 1
    categories = category_ids(classes)
    images: dict[Part | None, Entries] = {}
    annotations: dict[Part | None, Entries] = {}
    names: dict[str, None] = {}
    used: set[int] = set()
    numbers = Numbers(writing, apart)
    (folder / "images").mkdir()

    def described() -> Iterator[AnnotatedImage]:
        for pair in uniquely_named(pairs, names):
            part = writing.parts.get(pair.name) if apart else None
            height, width = pair.layout.size
            file_name = image_name(pair, writing)
            entry = numbers.image(pair.name) | {"file_name": file_name, "width": width, "height": height}
            images.setdefault(part, []).append(entry)
            those = annotations.setdefault(part, [])
            objects = objects_of(pair.layout, classes, writing.change)
            for one, (number, area) in zip(objects, numbers.annotations(pair.name), strict=False):
                those.append(
                    _annotation(one, pair, categories, area) | {"id": number, "image_id": entry["id"]}
                )
                used.add(those[-1]["category_id"])
            _folder_of(folder, part, apart).mkdir(exist_ok=True)
            yield pair

    def put(pair: AnnotatedImage) -> None:
        part = writing.parts.get(pair.name) if apart else None
        write_image(_folder_of(folder, part, apart), pair, writing)

    write_each(described(), put, lambda pair: is_copied(pair, writing))
    about = info_and_categories(classes, categories, used, _ABOUT, extras=numbers.extras)
    if apart:
        (folder / "annotations").mkdir()
    for part, entries in images.items():
        document = about | {"images": entries, "annotations": annotations[part]}
        file = f"annotations/instances_{name_of_part(part)}.json" if apart else JSON_NAME
        write_text(folder / file, dump_json(document))
    if not apart:
        write_splits(folder, list(names), Parts.of(writing.parts))
    return list(names)


def _folder_of(folder: Path, part: Part | None, apart: bool) -> Path:
    """The folder of pictures of a part."""
    return folder / "images" / name_of_part(part) if apart else folder / "images"


def category_ids(classes: ClassSet) -> dict[int, int]:
    """Class id -> category id, ids to ignore and the ground included. Those that name no category have their own id, or
    where that is taken the next free one.

    Raises InputError for two classes of one category id.
    """
    ids = {info.id: info.category for info in classes.classes if info.category is not None}
    if len(set(ids.values())) < len(ids):
        raise InputError(
            f"two classes have the same COCO category id: {sorted(ids.values())}; give each its own"
        )
    others = [info.id for info in classes.classes if info.id not in ids and info.id != classes.ground]
    others += [i for i in (classes.ground, *classes.ignore) if i is not None and i not in ids]
    taken = set(ids.values())
    own = [i for i in others if i not in taken]
    free = (number for number in count() if number not in taken.union(own))
    return ids | {i: i if i not in taken else next(free) for i in others}


def info_and_categories(
    classes: ClassSet,
    ids: Mapping[int, int],
    used: set[int],
    about: str,
    *,
    void: bool = False,
    extras: Extras | None = None,
) -> dict[str, Any]:
    """What a file says of its classes under "info" and "categories", and all else beside its images and annotations.

    Arguments:
        ids: class id -> category id. used: category ids that annotations have. about: the description.
        void: as `coco_classes.classes_of` has it. extras: of the data, where they are COCO's.
    """
    info: dict[str, Any] = {"description": about}
    ground = next((one for one in classes.classes if one.id == classes.ground), None)
    known = {one.id: one for one in classes.classes}
    always = {i for i, one in known.items() if i != classes.ground or one.category is not None}
    kept = {i: number for i, number in ids.items() if number in used or i in always}
    categories = [_category(number, known.get(class_id)) for class_id, number in kept.items()]
    if ground is None:
        info[GROUND] = None
    elif ground.id not in kept and ground != ClassInfo(id=0, name="background"):
        info[GROUND] = _plain(ground)
    categories.sort(key=lambda entry: int(entry["id"]))
    class_of = {number: class_id for class_id, number in kept.items()}
    if not _tells(categories, info, classes, kept, void):
        for one in categories:
            one[CLASS_ID] = class_of[one["id"]]
            info_of = known.get(one[CLASS_ID])
            if info_of is not None and info_of.category is None and one["id"] != info_of.id:
                one[MADE_UP] = True
        if ground is not None and ground.id not in kept:
            info[GROUND] = _plain(ground)
    if extras is not None:
        categories = [{**extras.categories.get(class_of[one["id"]], {}), **one} for one in categories]
    return beside_lists(extras, info) | {"categories": categories}


def _tells(
    categories: Entries, info: dict[str, Any], classes: ClassSet, ids: Mapping[int, int], void: bool
) -> bool:
    """True if a reader makes the same classes of these entries."""
    try:
        read = classes_of(categories, info, (), "", void=void)
    except InputError:
        return False
    same = all(read.ids.get(number) == class_id for class_id, number in ids.items())
    return same and read.classes.classes == classes.classes


def _plain(info: ClassInfo) -> dict[str, Any]:
    return {"id": info.id, "name": info.name} | ({"color": list(info.color)} if info.color else {})


def _category(number: int, info: ClassInfo | None) -> dict[str, Any]:
    if info is None:
        return {"id": number, "name": "ignore", "ignore": True}
    return _plain(info) | {"id": number}


def _annotation(
    one: LayoutObject, pair: AnnotatedImage, categories: Mapping[int, int], area: float | None
) -> dict[str, Any]:
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
        "area": area_of(one, pair.layout.size) if area is None else area,
        "iscrowd": int(one.crowd),
        "segmentation": _segmentation(one),
    }


def _segmentation(one: LayoutObject) -> Any:
    if one.rle is not None:
        return {"size": list(one.rle["size"]), "counts": one.rle["counts"]}
    return [list(polygon) for polygon in one.polygons or ()]

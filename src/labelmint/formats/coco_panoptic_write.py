"""Writing the `coco-panoptic` format: a segment for each class and instance that meet in an image.

Pairs without parts, or all of one, become panoptic.json with panoptic/NAME.png beside images/, and lists of names;
pairs of several parts annotations/panoptic_{train,val,test}.json with a folder of that name, over images/{train,...}/.
Pixels to ignore are of no segment, or where 255 is a class of a category marked `"ignore": true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE
from labelmint.formats.coco_extras import Numbers
from labelmint.formats.coco_files import name_of_part
from labelmint.formats.coco_panoptic import HAS_INSTANCES, INSTANCE
from labelmint.formats.coco_write import category_ids, info_and_categories
from labelmint.formats.files import Parts, dump_json, write_splits
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.image_files import write_png
from labelmint.formats.images_out import image_name, write_image
from labelmint.formats.instance_shapes import is_box
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

__all__ = ["segments_of", "write_panoptic"]

_ABOUT = "Written by labelmint. A segment for each class and instance that meet."
_SPREAD = 0x5A7F13  # odd, so that ids k * _SPREAD mod 2**24 differ for all k, and look different

Entries = list[dict[str, Any]]


def write_panoptic(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images, label PNGs and at the end the JSON, or one a part, into an empty folder that exists; returns the
    names. Raises InputError for a doubled name and an id that is no class.
    """
    apart = len(set(writing.parts.values())) > 1
    categories = category_ids(classes)
    documents: dict[Part | None, tuple[Entries, Entries]] = {}
    names: dict[str, None] = {}
    used = {categories[classes.ground]} if classes.ground is not None else set()
    things: set[int] = set()
    numbers = Numbers(writing, apart)

    def described() -> Iterator[tuple[AnnotatedImage, Array, Part | None]]:
        for pair in uniquely_named(pairs, names):
            unknown = classes.unknown(pair.layout.label_map)
            if unknown:
                raise InputError(
                    f"the label of {pair.name!r} holds ids that are no classes: {sorted(unknown)}"
                )
            _say_approximated(pair.layout, writing)
            part = writing.parts.get(pair.name) if apart else None
            codes, segments = segments_of(pair.layout, categories, void=IGNORE in classes.ignore)
            used.update(one["category_id"] for one in segments)
            things.update(one["category_id"] for one in segments if INSTANCE in one)
            images, annotations = documents.setdefault(part, ([], []))
            height, width = pair.layout.size
            file_name = image_name(pair, writing)
            entry = numbers.image(pair.name) | {"file_name": file_name, "width": width, "height": height}
            images.append(entry)
            annotations.append(
                {
                    "image_id": entry["id"],
                    "file_name": f"{pair.name}.png",
                    "segments_info": segments,
                    HAS_INSTANCES: pair.layout.instances is not None,
                }
            )
            for place in _places(folder, part, apart):
                place.mkdir(parents=True, exist_ok=True)
            yield pair, codes, part

    def put(item: tuple[AnnotatedImage, Array, Part | None]) -> None:
        pair, codes, part = item
        images, labels = _places(folder, part, apart)
        write_image(images, pair, writing)
        write_png(labels / f"{pair.name}.png", codes)

    write_each(described(), put)
    about = info_and_categories(classes, categories, used, _ABOUT, void=True, extras=numbers.extras)
    for one in about["categories"]:
        one["isthing"] = int(one["id"] in things or bool(one.get("isthing")))
    for part, (entries, labels) in documents.items():
        text = dump_json(about | {"images": entries, "annotations": labels})
        write_text(_places(folder, part, apart)[1].with_suffix(".json"), text)
    if not apart:
        write_splits(folder, list(names), Parts.of(writing.parts))
    return list(names)


def _say_approximated(layout: Layout, writing: Writing) -> None:
    """Tell how many objects of a layout are boxes or outlines, which come back as pixels."""
    boxes, outlines = (
        sum(map(is_box, layout.objects)),
        sum(one.polygons is not None for one in layout.objects),
    )
    writing.change("boxes approximated", "boxes come back as pixels of the maps", boxes)
    writing.change("polygons approximated", "outlines come back as pixels of the maps", outlines)


def _places(folder: Path, part: Part | None, apart: bool) -> tuple[Path, Path]:
    """The folders of images and of label PNGs of a part."""
    if not apart:
        return folder / "images", folder / "panoptic"
    name = name_of_part(part)
    return folder / "images" / name, folder / "annotations" / f"panoptic_{name}"


def segments_of(layout: Layout, categories: dict[int, int], *, void: bool) -> tuple[Array, Entries]:
    """The label PNG (H, W, 3) of a layout, and its segments.

    Arguments:
        categories: class id -> category id. void: True where pixels of 255 without an instance are of no segment.
    """
    from scipy.ndimage import find_objects

    numbers = np.zeros(1, dtype=np.int64) if layout.instances is None else layout.instances.astype(np.int64)
    keys = layout.label_map.astype(np.int64) << 32 | numbers
    values, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    place = place.reshape(layout.size)
    ids = (np.arange(1, len(values) + 1) * _SPREAD) & 0xFFFFFF
    if void:
        ids[values == IGNORE << 32] = 0
    segments: Entries = []
    for k, (rows, columns) in enumerate(window for window in find_objects(place + 1) if window is not None):
        class_id, number = int(values[k]) >> 32, int(values[k]) & 0xFFFFFFFF
        if not ids[k]:
            continue
        bbox = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
        one = {
            "id": int(ids[k]),
            "category_id": categories[class_id],
            "area": int(counts[k]),
            "bbox": bbox,
            "iscrowd": 0,
        }
        segments.append(one | ({INSTANCE: number} if number else {}))
    codes = ids[place]
    return np.stack([codes & 255, codes >> 8 & 255, codes >> 16], axis=2).astype(np.uint8), segments

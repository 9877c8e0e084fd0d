"""Writing the `imagefolder` format, so that `datasets.load_dataset` opens it: metadata.jsonl and images in train/,
validation/ and test/ (in the folder itself where there are no parts), label and instance PNGs below them, and a
README.md that has the classes in its YAML head.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import dump_json
from labelmint.formats.format import PLAIN, Writing
from labelmint.formats.image_files import write_png
from labelmint.formats.imagefolder import OTHERS
from labelmint.formats.images_out import image_name, write_image
from labelmint.formats.named_classes import labels_of, write_classes
from labelmint.formats.shapes import length_between
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, LayoutObject

__all__ = ["write_imagefolder"]

_LABELS, _INSTANCES = "labels", "instances"


def write_imagefolder(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for a doubled name, an unknown class id, and an attribute that JSON cannot hold.
    """
    categories = {class_id: k for k, class_id in enumerate(labels_of(classes))}
    metadata: dict[str, list[str]] = {}
    names: dict[str, None] = {}

    def place(name: str) -> str:
        return writing.parts.get(name, OTHERS) if writing.parts else ""

    def described() -> Iterator[AnnotatedImage]:
        for pair in uniquely_named(pairs, names):
            for below in (_LABELS, _INSTANCES) if classes.labelled else ("",):
                (folder / place(pair.name) / below).mkdir(parents=True, exist_ok=True)
            row = _row(pair, classes, categories, writing)
            metadata.setdefault(place(pair.name), []).append(dump_json(row))
            yield pair

    write_each(described(), lambda pair: _put(pair, folder / place(pair.name), classes, writing))
    for where, rows in metadata.items():
        write_text(folder / where / "metadata.jsonl", "".join(rows))
        if classes.labelled and not any((folder / where / _INSTANCES).iterdir()):
            (folder / where / _INSTANCES).rmdir()
    if classes.labelled:
        write_text(folder / "README.md", _readme(list(labels_of(classes).values()), metadata))
        write_classes(folder, classes)
    return list(names)


def _put(pair: AnnotatedImage, folder: Path, classes: ClassSet, writing: Writing) -> None:
    write_image(folder, pair, writing)
    if not classes.labelled:
        return
    write_png(folder / _LABELS / f"{pair.name}.png", _ids(pair.name, pair.layout.label_map))
    if pair.layout.instances is not None:
        write_png(folder / _INSTANCES / f"{pair.name}.png", _ids(pair.name, pair.layout.instances, np.uint16))


def _ids(name: str, ids: Array, least: type[np.unsignedinteger[Any]] = np.uint8) -> Array:
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= 65535:
        raise InputError(f"the ids of {name!r} lie in {ids.min()}..{ids.max()}; a label PNG holds 0..65535")
    return ids if ids.dtype == least else ids.astype(np.uint16)


def _row(
    pair: AnnotatedImage, classes: ClassSet, categories: Mapping[int, int], writing: Writing
) -> dict[str, Any]:
    layout = pair.layout
    unknown = [
        *classes.unknown(layout.label_map),
        *(i.class_id for i in layout.objects if i.class_id not in categories),
    ]
    if unknown:
        raise InputError(
            f"the label of {pair.name!r} holds ids that are no classes: {', '.join(map(str, unknown[:5]))}"
        )
    row: dict[str, Any] = {"name": pair.name, "file_name": image_name(pair, writing)}
    if not classes.labelled:
        return row
    row["label_file_name"] = f"{_LABELS}/{pair.name}.png"
    row |= {} if layout.instances is None else {"instances_file_name": f"{_INSTANCES}/{pair.name}.png"}
    return row | {"objects": _columns(layout.objects, categories)}


def _columns(objects: tuple[LayoutObject, ...], categories: Mapping[int, int]) -> dict[str, list[Any]]:
    return {
        "bbox": [_bbox(*one.box) for one in objects],
        "category": [categories[one.class_id] for one in objects],
        "segmentation": [_segmentation(one) for one in objects],
        "crowd": [one.crowd for one in objects],
        "attributes": [dump_json(dict(one.attributes)).strip() if one.attributes else "" for one in objects],
    }


def _segmentation(one: LayoutObject) -> str:
    """Polygons or run lengths as JSON text: columns of lists have no type where a part of the set lacks them."""
    if one.rle is not None:
        return dump_json({"size": list(one.rle["size"]), "counts": one.rle["counts"]}).strip()
    return "" if one.polygons is None else dump_json([list(map(float, p)) for p in one.polygons]).strip()


def _bbox(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [float(x0), float(y0), length_between(x0, x1), length_between(y0, y1)]


def _readme(names: list[str], metadata: Mapping[str, list[str]]) -> str:
    listed = "".join(f"            '{k}': {json.dumps(name)}\n" for k, name in enumerate(names))
    instances = any('"instances_file_name"' in row for rows in metadata.values() for row in rows)
    lists = "".join(
        f"    - name: {name}\n      list{kind}\n"
        for name, kind in (
            ("bbox", ":\n        list: float64"),
            ("category", f":\n        class_label:\n          names:\n{listed.rstrip()}"),
            ("segmentation", ": string"),
            ("crowd", ": bool"),
            ("attributes", ": string"),
        )
    )
    shown = "  - name: instances\n    dtype: image\n" if instances else ""
    return (
        "---\ndataset_info:\n  features:\n  - name: name\n    dtype: string\n  - name: image\n    dtype: image\n"
        f"  - name: label\n    dtype: image\n{shown}  - name: objects\n    struct:\n{lists}---\n\n"
        "Images and their labels. `label` holds class ids, which classes.json names. `objects` has boxes\n"
        "[x, y, width, height], and in `segmentation` polygons or COCO's compressed run lengths as JSON text.\n"
    )

"""Writing the `labelme` format, so that labelme opens it: a JSON beside each image, imageData null.

A box is a rectangle, each polygon a polygon (several of one object have one group_id), run lengths are a mask. What
labelme has no word for stands under keys of the shape that labelme keeps: "attributes", "crowd", and "box" where it is
not the box around the shape.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats.croissant import CROISSANT
from labelmint.formats.files import dump_json
from labelmint.formats.format import PLAIN, Writing
from labelmint.formats.images_out import image_name, is_copied, write_image
from labelmint.formats.joined_shapes import boxed, free_groups
from labelmint.formats.named_classes import CLASSES, labels_of, write_classes
from labelmint.formats.painting import box_of, decode
from labelmint.formats.pieces import objects_of
from labelmint.formats.text_files import split_lines
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassSet, LayoutObject

__all__ = ["write_labelme"]

_VERSION = "5.5.0"  # of labelme, whose form this is


def write_labelme(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images and their JSON, labels.txt and classes.json into an empty folder that exists; returns the names.

    Raises InputError for a doubled name and an unknown class id.
    """
    labels = labels_of(classes)
    names: dict[str, None] = {}

    def put(pair: AnnotatedImage) -> None:
        write_image(folder, pair, writing)
        write_text(folder / f"{pair.name}.json", dump_json(_document(pair, labels, classes, writing)))

    write_each(_allowed(uniquely_named(pairs, names)), put, lambda pair: is_copied(pair, writing))
    write_classes(folder, classes)
    words = [labels[i] for i in (*classes.ignore, *classes.ids)]
    lines = [
        word for word in words if split_lines(word) == [word]
    ]  # a name of two lines would be read as two names
    write_text(folder / "labels.txt", "".join(f"{word}\n" for word in lines))
    return list(names)


def _allowed(pairs: Iterable[AnnotatedImage]) -> Iterator[AnnotatedImage]:
    taken = {Path(file).stem: file for file in (CLASSES, CROISSANT)}
    for pair in pairs:
        file = taken.get(pair.name.lower())  # where small letters and capitals are one, so are the files
        if file is not None:
            raise InputError(
                f"a pair cannot be named {pair.name!r} here: {file} tells of the whole set; rename it"
            )
        yield pair


def _document(
    pair: AnnotatedImage, labels: Mapping[int, str], classes: ClassSet, writing: Writing
) -> dict[str, Any]:
    layout = pair.layout
    objects = objects_of(layout, classes, writing.change)
    groups = free_groups(objects)
    shapes: list[dict[str, Any]] = []
    for number, one in enumerate(objects):
        if one.class_id not in labels:
            raise InputError(
                f"an object of {pair.name!r} has class id {one.class_id}, which is not in the class list"
            )
        shapes += _shapes(one, labels[one.class_id], groups.get(number), layout.size)
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_name(pair, writing),
        "imageData": None,
        "imageHeight": layout.size[0],
        "imageWidth": layout.size[1],
    }


def _shapes(one: LayoutObject, label: str, group: int | None, size: tuple[int, int]) -> list[dict[str, Any]]:
    more = _more(one, group, size)
    plain: dict[str, Any] = {"label": label, "group_id": group, "flags": {}, "description": "", "mask": None}
    if one.rle is not None:
        points, mask = _mask(decode(one.rle, size))
        return [plain | {"shape_type": "mask", "points": points, "mask": mask} | more]
    if one.polygons is None:
        x0, y0, x1, y1 = one.box
        return [plain | {"shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]} | more]
    return [
        plain
        | {"shape_type": "polygon", "points": [list(p) for p in zip(some[::2], some[1::2], strict=True)]}
        | more
        for some in one.polygons
    ]


def _more(one: LayoutObject, group: int | None, size: tuple[int, int]) -> dict[str, Any]:
    """The keys of an object beside labelme's usual ones, and its flags and description."""
    attributes = dict(one.attributes)
    if group is not None and attributes.get("group_id") == group:
        del attributes["group_id"]
    flags, description = attributes.get("flags"), attributes.get("description")
    own: dict[str, Any] = {}
    if flags and isinstance(flags, dict) and all(isinstance(value, bool) for value in flags.values()):
        own["flags"] = attributes.pop("flags")
    if description and isinstance(description, str):
        own["description"] = attributes.pop("description")
    said = {"attributes": attributes, "crowd": one.crowd}
    box = {} if one.box == boxed(one, size) else {"box": list(one.box)}
    return own | {key: value for key, value in said.items() if value} | box


def _mask(binary: np.ndarray[Any, Any]) -> tuple[list[list[float]], str]:
    """The two corner pixels of a mask and the PNG between them; one pixel that is not set for a mask of none."""
    x0, y0, x1, y1 = map(int, box_of(binary)) if binary.any() else (0, 0, 1, 1)
    stream = BytesIO()
    Image.fromarray(binary[y0:y1, x0:x1].astype(np.uint8)).save(stream, format="PNG")
    return [[float(x0), float(y0)], [float(x1 - 1), float(y1 - 1)]], b64encode(stream.getvalue()).decode(
        "ascii"
    )

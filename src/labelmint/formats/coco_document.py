"""The JSON of a COCO annotation file: lists of objects whose ids are sound.

An id is a whole number or text; 1.0, as pandas writes, and "1" are the same as 1.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.formats.files import finite, read_json
from labelmint.formats.opened import MAX_PIXELS

__all__ = [
    "Document",
    "Id",
    "as_id",
    "read_document",
    "scaled_fractions",
    "stated_size",
    "without_collection",
]

Id = int | str
_LISTS = ("images", "annotations", "categories")
_SURE = 8  # objects of a file that must all lie between 0 and 1 before they are taken for fractions of their image


class Document(NamedTuple):
    """The lists of a COCO file, and what stands beside them."""

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    others: dict[str, Any]

    @property
    def info(self) -> dict[str, Any]:
        """What stands under "info"."""
        info = self.others.get("info")
        return info if isinstance(info, dict) else {}


def read_document(path: Path, content: Any = None) -> Document:
    """Read a file; the ids of its images and categories are made whole numbers where they are that.

    Raises InputError for another form, and for ids that are doubled.
    """
    content = read_json(path) if content is None else content
    lists = [content.get(key) if isinstance(content, dict) else None for key in _LISTS]
    for key, part in zip(_LISTS, lists, strict=True):
        if not isinstance(part, list) or not all(isinstance(item, dict) for item in part):
            raise InputError(f'{path}: not a COCO instances file; expected "{key}" as a list of objects')
    images, annotations, categories = (part or [] for part in lists)
    for kind, items in (("image", images), ("category", categories)):
        seen: dict[Id, Any] = {}
        for item in items:
            number = as_id(item.get("id"))
            if number is None:
                raise InputError(f"{path}: {kind} id {item.get('id')!r} is no whole number and no text")
            if number in seen:
                raise InputError(
                    f"{path}: {kind} id {item['id']!r} is doubled ({seen[number]!r} stands there too); each needs its "
                    f"own"
                )
            seen[number] = item["id"]
            item["id"] = number
    others = {key: value for key, value in content.items() if key not in _LISTS}
    return Document(images, annotations, categories, others)


def as_id(value: Any) -> Id | None:
    """An id as a number where it is one, else as text; None for what is no id."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if not isinstance(value, str):
        return None
    number = value.isascii() and value.isdigit() and len(value) < 19 and (value == "0" or value[0] != "0")
    return int(value) if number else value


def stated_size(image: Mapping[str, Any], path: Path) -> tuple[int, int] | None:
    """(H, W) of an entry of "images", None where it states none; raises InputError for what is no size."""
    height, width = image.get("height"), image.get("width")
    if height is None and width is None:
        return None
    sides = [as_id(side) if isinstance(side, int | float) else None for side in (height, width)]
    if not all(isinstance(side, int) and 1 <= side <= MAX_PIXELS for side in sides):
        raise InputError(
            f"{path}: image {image['id']!r} has width {repr(width)[:40]} and height {repr(height)[:40]}; expected "
            f"whole numbers from 1 to {MAX_PIXELS}"
        )
    return int(sides[0] or 0), int(sides[1] or 0)


def scaled_fractions(document: Document, sizes: Mapping[Id, tuple[int, int]]) -> int:
    """Make pixels of boxes and outlines that are fractions of their image, and return how many objects were so.

    They are taken for fractions where all of a file lie between 0 and 1, some of them between whole numbers, and there
    are at least 8: unlike each other, or with one that states an area above 1, which no object of the first pixel has.
    A file that labelmint wrote has pixels.
    """
    annotations = document.annotations
    if (
        "labelmint" in str(document.info)
        or len(annotations) < _SURE
        or max(map(max, sizes.values()), default=1) < 2
    ):
        return 0
    fractional, unlike = False, set[tuple[Any, ...]]()
    for one in annotations:
        for numbers in _coordinates(one):
            if not all(finite(number) and 0 <= number <= 1 for number in numbers):
                return 0
            fractional = fractional or any(number % 1 for number in numbers)
        if len(unlike) < _SURE:
            unlike.add(tuple(map(tuple, _coordinates(one))))
    if not fractional or (len(unlike) < _SURE and not any(_is_large(one.get("area")) for one in annotations)):
        return 0
    for one in annotations:
        number = as_id(one.get("image_id"))
        if number is not None and number in sizes:
            height, width = sizes[number]
            for numbers in _coordinates(one):
                numbers[:] = [value * (height if i % 2 else width) for i, value in enumerate(numbers)]
    return len(annotations)


def _is_large(area: Any) -> bool:
    return finite(area) and area > 1


def _coordinates(annotation: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The lists of x and y in turn: of bbox, and of each polygon."""
    bbox, shape = annotation.get("bbox"), annotation.get("segmentation")
    if isinstance(bbox, list):
        yield bbox
    if isinstance(shape, list):
        yield from ([shape] if shape and not isinstance(shape[0], list | dict) else _lists(shape))


def _lists(shape: list[Any]) -> Iterator[list[Any]]:
    return (polygon for polygon in shape if isinstance(polygon, list))


@contextmanager
def without_collection() -> Iterator[None]:
    """Millions of values that hold no circles are made in the block: looking for circles would take longer. Then they
    count as old, and are not looked through at once.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if enabled:
            gc.enable()

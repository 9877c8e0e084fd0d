"""What formats share that are written as label maps in a tree: folders of parts, PNGs of ids, and what pixels alone
lose of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE
from labelmint.formats.format import KEPT, LOST, Change, Part, Writing
from labelmint.formats.image_files import write_png
from labelmint.formats.instance_shapes import is_box
from labelmint.formats.painting import components, decode
from labelmint.types import Array, Layout, LayoutObject

__all__ = ["SEMANTIC", "folder_of", "refuse_endings", "tell_of_objects", "write_ids"]

_OTHER = "other"
_OF_CLASS = "kept as pixels of their class"
SEMANTIC: Mapping[str, str] = MappingProxyType(  # what a class for every pixel carries, and no more
    {
        "maps": KEPT,
        "boxes": _OF_CLASS,
        "polygons": _OF_CLASS,
        "holes": KEPT,
        "parts": _OF_CLASS,
        "instances": LOST,
        "ignore": KEPT,
        "colors": KEPT,
    }
)


def folder_of(writing: Writing, folders: Mapping[Part, str]) -> Callable[[str], str]:
    """Name of a pair -> the folder of its part.

    A pair without a part lies in that of training, but where other pairs are named for training in "other".
    """
    others = _OTHER if "train" in writing.parts.values() else folders["train"]
    places = {name: folders[part] for name, part in writing.parts.items()}
    return lambda name: places.get(name, others)


def write_ids(path: Path, ids: Array) -> None:
    """Write an array of ids (H, W) from 0 to 65535 as a grey PNG of 8 bits where these suffice, else of 16."""
    write_png(path, ids.astype(np.uint8 if int(ids.max(initial=0)) <= IGNORE else np.uint16, copy=False))


def refuse_endings(name: str, endings: tuple[str, ...], what: str) -> None:
    """Raise InputError for a name of a pair by which its label would be taken for another file."""
    if name.endswith(endings):
        raise InputError(
            f"{name!r} cannot name a pair here: {what} with this ending are passed over; rename it"
        )


def tell_of_objects(layout: Layout, change: Change) -> None:
    """Tell how many objects of a layout become pixels of their class."""
    objects = layout.objects
    change("boxes approximated", "boxes become pixels of their class", sum(map(is_box, objects)))
    outlines = sum(one.polygons is not None for one in objects)
    change("polygons approximated", "outlines become pixels of their class", outlines)
    several = sum(_several(one, layout.size) for one in objects)
    change("parts approximated", "objects of several pieces become pixels of their class", several)


def _several(one: LayoutObject, size: tuple[int, int]) -> bool:
    """Has an object several pieces?"""
    if one.rle is None:
        return len(one.polygons or ()) > 1
    return sum(1 for _ in components(decode(one.rle, size), (slice(None), slice(None)))) > 1

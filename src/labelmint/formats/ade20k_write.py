"""Writing the `ade20k` format: the tree of scene parsing, images/PART/NAME and annotations/PART/NAME.png.

Classes have the numbers from 1 on, and 0 is what is ignored, as the benchmark has it: ids from 1 to 254 stay, and where
a class has another all are numbered anew. objectInfo150.txt says names, shares of all pixels and numbers of images to
other programs; classes.json holds names, colors and the ids to ignore as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

import numpy as np

from labelmint.formats.class_list import dump_classes
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.images_out import write_image
from labelmint.formats.maps_write import folder_of, tell_of_objects, write_ids
from labelmint.formats.numbers import counted, numbered, renumbered
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet

__all__ = ["numbers_of", "write_ade20k"]

_FOLDERS: Mapping[Part, str] = {"train": "training", "validation": "validation", "test": "testing"}
_HIGHEST = 254
_HEAD = "Idx\tRatio\tTrain\tVal\tStuff\tName"


def numbers_of(classes: ClassSet) -> dict[int, int]:
    """The number of each class and id to ignore in label PNGs."""
    return counted(classes, first=1, most=_HIGHEST, ignored=0)


def write_ade20k(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for a doubled name and an id that is no class.
    """
    numbers = numbers_of(classes)
    place = folder_of(writing, _FOLDERS)
    names: dict[str, None] = {}
    seen = _Seen()

    def put(pair: AnnotatedImage) -> None:
        images, labels = (folder / kind / place(pair.name) for kind in ("images", "annotations"))
        for one in (images, labels):
            one.mkdir(parents=True, exist_ok=True)
        tell_of_objects(pair.layout, writing.change)
        write_image(images, pair, writing)
        label_map = pair.layout.label_map
        write_ids(labels / f"{pair.name}.png", label_map)
        seen.add(label_map, labels.name)

    write_each(renumbered(uniquely_named(pairs, names), classes, numbers, writing.change), put)
    listed = numbered(classes, numbers)
    write_text(folder / "classes.json", dump_classes(listed))
    write_text(folder / "objectInfo150.txt", seen.table(listed))
    return list(names)


class _Seen:
    """How many pixels have each number, and in how many images of each folder it is; added to by several threads."""

    def __init__(self) -> None:
        self._pixels: Counter[int] = Counter()
        self._images: Counter[tuple[int, str]] = Counter()
        self._lock = Lock()

    def add(self, label_map: Array, folder: str) -> None:
        """Count a label map."""
        counts = np.bincount(label_map.ravel())
        there = np.flatnonzero(counts).tolist()
        with self._lock:
            self._pixels.update({number: int(counts[number]) for number in there})
            self._images.update((number, folder) for number in there)

    def table(self, classes: ClassSet) -> str:
        """The text of objectInfo150.txt; which classes are stuff nobody said, so none is."""
        total = max(self._pixels.total(), 1)
        rows = [
            f"{info.id}\t{self._pixels[info.id] / total:.4f}\t{self._images[info.id, 'training']}\t"
            f"{self._images[info.id, 'validation']}\t0\t{' '.join(info.name.split()) or f'class_{info.id}'}"
            for info in classes.classes
        ]
        return "\n".join([_HEAD, *rows]) + "\n"

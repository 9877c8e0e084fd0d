"""Writing the `coco-stuff` format: images/PART/NAME and stuffthingmaps/PART/NAME.png, PART as in train2017.

A pixel value is the id of its class, and 255 is what is ignored. Ids from 0 to 254 stay; where a class has another all
are numbered anew from 0. labels.txt names each value one higher, as COCO-Stuff counts there; classes.json names them as
they are, with colors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from labelmint.formats.class_list import IGNORE, dump_classes
from labelmint.formats.coco_stuff import OTHER_MAPS
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.images_out import write_image
from labelmint.formats.maps_write import folder_of, refuse_endings, tell_of_objects, write_ids
from labelmint.formats.numbers import counted, numbered, renumbered
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassSet

__all__ = ["numbers_of", "write_coco_stuff"]

_FOLDERS: Mapping[Part, str] = {"train": "train2017", "validation": "val2017", "test": "test2017"}


def numbers_of(classes: ClassSet) -> dict[int, int]:
    """The number of each class and id to ignore in label PNGs."""
    return counted(classes, first=0, most=IGNORE - 1, ignored=IGNORE)


def write_coco_stuff(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for a doubled name, one with the ending of another file, and an id that is no class.
    """
    numbers = numbers_of(classes)
    place = folder_of(writing, _FOLDERS)
    names: dict[str, None] = {}

    def put(pair: AnnotatedImage) -> None:
        refuse_endings(pair.name, OTHER_MAPS, "pixel maps")
        images, labels = (folder / kind / place(pair.name) for kind in ("images", "stuffthingmaps"))
        for one in (images, labels):
            one.mkdir(parents=True, exist_ok=True)
        tell_of_objects(pair.layout, writing.change)
        write_image(images, pair, writing)
        write_ids(labels / f"{pair.name}.png", pair.layout.label_map)

    write_each(renumbered(uniquely_named(pairs, names), classes, numbers, writing.change), put)
    listed = numbered(classes, numbers)
    rows = [f"{info.id + 1}: {' '.join(info.name.split()) or f'class_{info.id}'}" for info in listed.classes]
    write_text(folder / "labels.txt", "\n".join(["0: unlabeled", *rows]) + "\n")
    write_text(folder / "classes.json", dump_classes(listed))
    return list(names)

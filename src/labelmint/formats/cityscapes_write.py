"""Writing the `cityscapes` format: leftImg8bit/PART/CITY/NAME_leftImg8bit.png, and for each image in gtFine/PART/CITY/

    NAME_gtFine_labelIds.png       the number of a class
    NAME_gtFine_instanceIds.png    number * 1000 + number of the object, where the data have instances
    NAME_gtFine_color.png          colors of the classes
    NAME_gtFine_polygons.json      outlines (`cityscapes_polygons`), in the order in which they are to be filled

Classes that all have Cityscapes' names get its ids. Others keep theirs from 1 to 64, or where one has another all count
from 1; the background is 0. What is ignored is 0, where no class is, else 255. classes.json holds names, colors and the
ids to ignore. CITY is what comes before two numbers in a name (aachen_000000_000019), else "city".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from labelmint import pictures
from labelmint.errors import InputError
from labelmint.formats.cityscapes import LABELS, STEP
from labelmint.formats.cityscapes_polygons import polygons_of
from labelmint.formats.class_list import IGNORE, dump_classes
from labelmint.formats.files import dump_json
from labelmint.formats.format import PLAIN, Change, Part, Writing
from labelmint.formats.image_files import write_png
from labelmint.formats.images_out import only_png, write_image
from labelmint.formats.instance_shapes import is_box
from labelmint.formats.maps_write import folder_of, write_ids
from labelmint.formats.numbers import counted, numbered, renumbered
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

__all__ = ["numbers_of", "write_cityscapes"]

_FOLDERS: Mapping[Part, str] = {"train": "train", "validation": "val", "test": "test"}
_NATIVE = {name: i for i, (name, _) in enumerate(LABELS)}
_HIGHEST = 64  # of classes with instances: all numbers of these fit 16 bits
_LOST = f"instances are of classes that cannot have any here (0, above {_HIGHEST}, ignored), and are lost"
_ANEW = "images have instances that are numbered anew, by class"
_SEVERAL = "instances hold several classes and become one of each"
_NAME = re.compile(r"(.+?)_\d+_\d+")


def numbers_of(classes: ClassSet) -> dict[int, int]:
    """The number of each class and id to ignore in label PNGs."""
    if set(classes.names) <= _NATIVE.keys():
        native = {info.id: _NATIVE[info.name] for info in classes.classes}
        return native | dict.fromkeys(classes.ignore, IGNORE if 0 in native.values() else 0)
    ignored = 0 if classes.ground is None else IGNORE
    return counted(classes, first=1, most=_HIGHEST, ignored=ignored, ground=0)


def write_cityscapes(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for a doubled name, an id that is no class, and more than 1000 instances of a class in an image.
    """
    numbers = numbers_of(classes)
    place = folder_of(writing, _FOLDERS)
    names: dict[str, None] = {}
    listed, images_as = numbered(classes, numbers), only_png(writing)
    colors = _colors(listed)

    def put(pair: AnnotatedImage) -> None:
        below = f"{place(pair.name)}/{_city(pair.name)}"
        images, labels = folder / "leftImg8bit" / below, folder / "gtFine" / below
        for one in (images, labels):
            one.mkdir(parents=True, exist_ok=True)
        layout = pair.layout
        _tell(layout, writing.change)
        codes = _codes(pair.name, layout, listed, writing.change)
        write_image(images, pair.with_layout(layout, f"{pair.name}_leftImg8bit"), images_as)
        start = f"{pair.name}_gtFine"
        write_ids(labels / f"{start}_labelIds.png", layout.label_map)
        write_png(labels / f"{start}_color.png", colors[layout.label_map])
        write_text(labels / f"{start}_polygons.json", dump_json(polygons_of(layout, listed)))
        if codes is not None:
            write_png(labels / f"{start}_instanceIds.png", codes.astype(np.uint16))

    write_each(renumbered(uniquely_named(pairs, names), classes, numbers, writing.change), put)
    write_text(folder / "classes.json", dump_classes(listed))
    return list(names)


def _city(name: str) -> str:
    found = _NAME.fullmatch(name)
    return found.group(1) if found else "city"


def _colors(classes: ClassSet) -> Array:
    """The color of each number, (65536, 3); black where there is none."""
    table = np.zeros((1 << 16, 3), dtype=np.uint8)
    for i, color in pictures.palette(classes).items():
        table[i] = color
    return table


def _tell(layout: Layout, change: Change) -> None:
    boxes, outlines = sum(map(is_box, layout.objects)), sum(o.polygons is not None for o in layout.objects)
    change("boxes approximated", "boxes come back as pixels of the maps", boxes)
    change("polygons approximated", "outlines come back as pixels of the maps", outlines)


def _codes(name: str, layout: Layout, classes: ClassSet, change: Change) -> Array | None:
    """The values of instanceIds (H, W): number * 1000 + that of the object, or the number alone of what is none. None
    for a layout without instances.

    An object keeps its number where its value says its class; the others count on from 0 in each class. Raises
    InputError for more than 1000 of a class.
    """
    if layout.instances is None:
        return None
    keys = layout.label_map.astype(np.int64) << 32 | layout.instances.astype(np.int64)
    values, places = np.unique(keys, return_inverse=True)
    codes, lost, split = np.zeros(len(values), dtype=np.int64), 0, 0
    taken: dict[int, set[int]] = {}
    of_instance: set[int] = set()
    waiting = []
    for k, value in enumerate(values.tolist()):
        class_id, number = value >> 32, value & 0xFFFFFFFF
        codes[k] = class_id if class_id < STEP else 0
        if not number:
            continue
        if not 0 < class_id <= _HIGHEST or class_id in classes.ignore:
            lost += 1
        elif number // STEP == class_id:
            taken.setdefault(class_id, set()).add(number % STEP)
            codes[k] = number
        else:
            waiting.append((k, class_id))
        split += number in of_instance
        of_instance.add(number)
    for k, class_id in waiting:
        used = taken.setdefault(class_id, set())
        free = next((n for n in range(STEP) if n not in used), None)
        if free is None:
            raise InputError(
                f"{name!r} has more than {STEP} instances of {classes.name_of(class_id)!r}, which is all that "
                "Cityscapes' instanceIds hold; cut the image into smaller ones, or write coco-panoptic"
            )
        used.add(free)
        codes[k] = class_id * STEP + free
    change("instances lost", _LOST, lost)
    change("instances approximated", _ANEW, int(bool(waiting)))
    change("instances approximated", _SEVERAL, split)
    found: Array = codes[places.reshape(layout.size)]
    return found

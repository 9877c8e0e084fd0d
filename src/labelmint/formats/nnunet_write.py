"""Writing the `nnunet` format: nnU-Net's raw data set, with imagesTr/NAME_0000.png, labelsTr/NAME.png and dataset.json;
the test part in imagesTs/ and labelsTs/.

nnU-Net counts classes from 0, the background, without a gap, and "ignore" is the highest: so are they numbered here.
Without a background class 0 is a "background" that no pixel has. nnU-Net takes images of one kind alone: where a set
has grey and RGB ones, the grey become RGB. Which pairs validate says splits_final.json, with one fold, which nnU-Net
looks for in its preprocessed folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from labelmint.formats.class_list import dump_classes
from labelmint.formats.format import PLAIN, Writing
from labelmint.formats.image_files import read_image_and_text, write_png
from labelmint.formats.images_out import only_png, write_image
from labelmint.formats.maps_write import tell_of_objects, write_ids
from labelmint.formats.named_classes import labels_of
from labelmint.formats.numbers import numbered, renumbered
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_json, write_text
from labelmint.types import AnnotatedImage, ClassSet

__all__ = ["numbers_of", "write_nnunet"]

_BACKGROUND, _IGNORE = "background", "ignore"
_CHANNELS = {1: ("grey",), 3: ("R", "G", "B")}
_GREY = "grey images become RGB of three equal channels, for the set has RGB images"


def numbers_of(classes: ClassSet) -> dict[int, int]:
    """The number of each class and id to ignore in label PNGs."""
    others = [i for i in classes.ids if i != classes.ground]
    found = {i: number for number, i in enumerate(others, 1)}
    if classes.ground is not None:
        found[classes.ground] = 0
    return found | dict.fromkeys(classes.ignore, len(others) + 1)


def write_nnunet(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for a doubled name and an id that is no class.
    """
    numbers = numbers_of(classes)
    names: dict[str, None] = {}
    files = _Files(folder, numbered(classes, numbers), only_png(writing))
    write_each(renumbered(uniquely_named(pairs, names), classes, numbers, writing.change), files.put)
    if files.grey and files.colored:
        write_each(files.grey, _color)
        writing.change("images approximated", _GREY, len(files.grey))
    training = [name for name in names if files.part_of(name) == "Tr"]
    write_json(folder / "dataset.json", files.document(len(training)))
    write_text(folder / "classes.json", dump_classes(files.listed()))
    fold = _fold(training, writing)
    if fold:
        write_json(folder / "splits_final.json", [fold])
    return list(names)


class _Files:
    """The files of pairs, written by several threads."""

    def __init__(self, folder: Path, classes: ClassSet, writing: Writing) -> None:
        self.folder, self.classes, self.writing = folder, classes, writing
        self.grey: list[Path] = []
        self.colored = False  # whether there is an RGB image
        self.ignores = False  # whether any pixel is ignored
        self._lock = Lock()
        self._ignored = len([i for i in classes.ids if i != classes.ground]) + 1

    def part_of(self, name: str) -> str:
        """The ending of the folders of a pair."""
        return "Ts" if self.writing.parts.get(name) == "test" else "Tr"

    def put(self, pair: AnnotatedImage) -> None:
        """The image and the label."""
        part = self.part_of(pair.name)
        images, labels = (self.folder / f"{kind}{part}" for kind in ("images", "labels"))
        for one in (images, labels):
            one.mkdir(exist_ok=True)
        tell_of_objects(pair.layout, self.writing.change)
        write_image(images, pair.with_layout(pair.layout, f"{pair.name}_0000"), self.writing)
        label_map = pair.layout.label_map
        write_ids(labels / f"{pair.name}.png", label_map)
        with self._lock:
            self.ignores |= bool((label_map == self._ignored).any())
            self.colored |= pair.channels == 3
            if pair.channels == 1:
                self.grey.append(images / f"{pair.name}_0000.png")

    def document(self, training: int) -> dict[str, Any]:
        """The content of dataset.json."""
        channels = _CHANNELS[3 if self.colored else 1]
        return {
            "channel_names": {str(i): name for i, name in enumerate(channels)},
            "labels": self.labels(),
            "numTraining": training,
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }

    def labels(self) -> dict[str, int]:
        """Name -> number; two names mean something to nnU-Net, and no other class may have them."""
        named = labels_of(self.classes)
        found = {_BACKGROUND: 0}
        for info in self.classes.classes:
            label = named[info.id]
            if info.id:
                taken = label.lower() in (_BACKGROUND, _IGNORE)
                found[f"{label} ({info.id})" if taken else label] = info.id
        return found | ({_IGNORE: self._ignored} if self.ignores else {})

    def listed(self) -> ClassSet:
        """The classes as they are in the label PNGs; nothing is ignored but 255 where no pixel is."""
        return self.classes if self.ignores else ClassSet(self.classes.classes)


def _color(file: Path) -> None:
    """Make a grey image RGB."""
    pixels, text = read_image_and_text(file)
    write_png(file, np.repeat(pixels, 3, axis=2), text)


def _fold(training: Iterable[str], writing: Writing) -> Mapping[str, list[str]]:
    """Which of the names in imagesTr train and which validate; nothing where all of them train."""
    others = None if "train" in writing.parts.values() else "train"
    parts = {name: writing.parts.get(name, others) for name in training}
    if set(parts.values()) <= {"train"}:
        return {}
    return {
        key: [name for name, its in parts.items() if its == part]
        for key, part in (("train", "train"), ("val", "validation"))
    }

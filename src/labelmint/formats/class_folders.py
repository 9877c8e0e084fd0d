"""The `class-folders` format: a folder for each class, as classifiers learn from them; read and written.

    CLASS/NAME.png, or PART/CLASS/NAME.png    PART is train, val or test (in any of their spellings)
    classes.json                              optional: ids and colors; else ids follow the names, in order

The label of an image is its class everywhere. Folders of images are no sign of classes by themselves, so this format is
found only by systems that learn from images alone, and by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import class_set, read_classes
from labelmint.formats.files import IMAGE_SUFFIXES, Parts, read_splits
from labelmint.formats.format import (
    AS_USUAL,
    KEPT,
    PART_WORDS,
    PLAIN,
    Carries,
    Format,
    Reading,
    Writing,
    part_word,
)
from labelmint.formats.images_alone import WholeLoader
from labelmint.formats.images_out import write_image
from labelmint.formats.maps import files_below
from labelmint.formats.named_classes import CLASSES, labels_of, write_classes
from labelmint.formats.odd import Odd
from labelmint.formats.pairing import IMAGE_FOLDERS, LABEL_FOLDERS
from labelmint.formats.records import names_of
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet

__all__ = ["FORMAT", "fits", "possible", "read_class_folders", "write_class_folders"]

_FORM = "expected two folders or more, each with the images of a class, as in cat/a.png and dog/b.png"
_NO_CLASSES = {*IMAGE_FOLDERS, *LABEL_FOLDERS, "instances", "objects"}
_HELD = "holds one class an image"


def read_class_folders(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder; raises InputError where there are fewer than two classes."""
    found = _class_folders(path)
    labels = sorted({folder.name for folder in found})
    if len(labels) < 2:
        raise InputError(f"{path}: no folders of classes; {_FORM}")
    told = read_classes(path / CLASSES, reading.ignore)[0] if (path / CLASSES).is_file() else None
    ids = {label: i for i, label in labels_of(told).items()} if told is not None else {}
    strange = [label for label in labels if label not in ids]
    if told is not None and strange:
        raise InputError(
            f"{path / CLASSES}: names no class {strange[0]!r}, of which there is a folder; add it"
        )
    ids = ids or {label: i for i, label in enumerate(labels)}
    classes = told or class_set((ClassInfo(id=i, name=label) for label, i in ids.items()), reading.ignore)
    files = [(file, folder) for folder in found for file in files_below(folder)]
    names = names_of([file.relative_to(path).as_posix() for file, _ in files], str(path))
    odd = Odd(reading.strict)
    parts = read_splits(path, names, odd)
    if parts == Parts():
        parts = Parts.of(
            {
                name: part_word(folder.parent.name) if folder.parent != path else None
                for name, (_, folder) in zip(names, files, strict=True)
            }
        )
    return DataSet(
        source=str(path),
        format="class-folders",
        classes=classes,
        names=tuple(sorted(names)),
        load=WholeLoader(
            {name: file for name, (file, _) in zip(names, files, strict=True)},
            {name: ids[folder.name] for name, (_, folder) in zip(names, files, strict=True)},
            reading.orientation,
        ),
        **parts._asdict(),
        findings=odd.findings,
    )


def fits(path: Path) -> bool:
    """Do folders look like classes: two or more, of two images or more by their median, and no image beside them?

    One that is called like a part may be a class, but may as well be what was kept apart: such folders are read by the
    name of the format alone.
    """
    if not possible(path):
        return False
    found = _class_folders(path)
    if any(part_word(folder.name) for folder in found if folder.parent == path):
        return False
    homes = {folder.parent for folder in found}
    loose = any(_is_image(file) for home in {path, *homes} for file in home.iterdir())
    return not loose and median(sum(1 for _ in files_below(folder)) for folder in found) >= 2


def possible(path: Path) -> bool:
    """Can the folders at a path be read as classes: are there two or more with images?"""
    return path.is_dir() and len({one.name for one in _class_folders(path)}) > 1


def _class_folders(path: Path) -> list[Path]:
    """The folders of classes, of all parts; none where a folder has a name that means images or labels.

    A folder that is called like a part is one, but for one that holds images itself, alone among others: trains are a
    class of vehicles.
    """
    if not path.is_dir():
        raise InputError(f"{path}: folders of classes lie in a folder, and this is a file")
    top = [folder for folder in _below(path) if next(files_below(folder), None)]
    parts = [folder for folder in top if part_word(folder.name)]
    if len(parts) == 1 < len(top) and any(map(_is_image, parts[0].iterdir())):
        parts = []
    below = [one for part in parts for one in _below(part) if next(files_below(one), None)]
    found = below if parts else top
    return [] if any(folder.name.lower() in _NO_CLASSES for folder in found) else found


def _below(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "__")))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")


def write_class_folders(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for an image of several classes, a class whose name cannot be a folder's, and a doubled name.
    """
    names, labels = dict[str, None](), labels_of(classes)

    def put(pair: AnnotatedImage) -> None:
        home = folder / (PART_WORDS[writing.parts[pair.name]][0] if pair.name in writing.parts else "")
        home = home / _folder_of(pair, labels)
        home.mkdir(parents=True, exist_ok=True)
        write_image(home, pair, writing)

    write_each(uniquely_named(pairs, names), put)
    write_classes(folder, classes)
    return list(names)


def _folder_of(pair: AnnotatedImage, labels: dict[int, str]) -> str:
    """The folder of the class that an image has everywhere."""
    found = np.unique(pair.layout.label_map)
    which = int(found[0])
    if len(found) > 1 or pair.layout.objects:
        raise InputError(
            f"the format class-folders {_HELD}, and {pair.name!r} shows {len(found)}; take folder, coco or another"
        )
    label = labels.get(which, "")
    if (
        not label
        or label.startswith((".", "__"))
        or any(sign in label for sign in "/\\\0")
        or part_word(label)
    ):
        raise InputError(f"the format class-folders has a folder for each class, and {label!r} can name none")
    return label


FORMAT = Format(
    name="class-folders",
    title="CLASS/NAME.png, a folder for each class, also in train/, val/, test/: one class an image",
    recognizes=lambda path: False,
    reads=read_class_folders,
    writes=write_class_folders,
    own_parts=True,
    one_class=True,
    carries=Carries(
        maps=f"{_HELD}, everywhere; all else is refused", wide=KEPT, colors=KEPT, empty="refused"
    ),
)

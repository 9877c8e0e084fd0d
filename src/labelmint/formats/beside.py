"""The `beside` format: label files beside their images, told by the ending of their names; read only.

a.jpg, a_mask.png                     also _gt, _label, _seg, _annotation; PNG, TIFF, BMP or GIF
train/a.jpg, train/a_mask.png         the same in folders, which are parts where they are called so
classes.json, or _classes.csv (Roboflow's: "Pixel Value, Class", in each folder)    optional
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, read_classes
from labelmint.formats.files import IMAGE_SUFFIXES, Parts, is_file, is_folder, read_splits
from labelmint.formats.folder import scanned_classes
from labelmint.formats.format import AS_USUAL, Format, Reading
from labelmint.formats.label_colors import Palettes
from labelmint.formats.maps import ColoredMaps, MapFiles, MapLoader, as_data_set, files_below, matched
from labelmint.formats.named_classes import CLASSES
from labelmint.formats.odd import Odd
from labelmint.formats.pairing import LABEL_SUFFIXES, names_of_keys, parts_of_paths, plain, without_ending
from labelmint.formats.text_files import read_table
from labelmint.types import ClassInfo, ClassSet, DataSet

__all__ = ["FORMAT", "read_beside"]

_LISTED = "_classes.csv"
_SYSTEM = "__MACOSX"
_FEW = 40  # folders below that are looked into to find out the format
_FORM = "expected a.jpg with a_mask.png beside it"
Keyed = list[tuple[str, Path]]


def read_beside(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder, with all folders below. Label files are decoded here only where nothing names
    the classes.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no folder; {_FORM}")
    odd, palettes = Odd(reading.strict), Palettes()
    images, labels = _files(path)
    pairs = matched(images, labels, path, odd)
    names = names_of_keys(sorted(pairs), str(path))
    files = {names[key]: MapFiles(image=image, label=label) for key, (image, label) in pairs.items()}
    own = path / CLASSES
    classes, colors = read_classes(own, reading.ignore) if own.is_file() else (_listed(path, reading), {})
    found = [files[name].label for name in sorted(files)]
    scanned = (
        classes is None and not reading.strict
    )  # what palettes leave in doubt is noted, and read by index
    loader = MapLoader(
        files=files,
        classes=classes or scanned_classes(found, colors, palettes, reading.ignore, odd),
        maps=ColoredMaps(colors, None if scanned else palettes),
        strict=reading.strict,
        mend=f"add them to {CLASSES}",
        orientation=reading.orientation,
    )
    lists = read_splits(path, sorted(files), odd)
    return as_data_set(path, "beside", loader, parts_of_paths(names) if lists == Parts() else lists, odd)


def _files(path: Path) -> tuple[Keyed, Keyed]:
    """Images and labels by the path of the image below the folder, without ending."""
    kinds = (*IMAGE_SUFFIXES, *LABEL_SUFFIXES)
    files = [file for file in files_below(path, kinds) if _SYSTEM not in file.relative_to(path).parts]
    keys = {file: plain(file.relative_to(path).with_suffix("").as_posix()) for file in files}
    there = set(keys.values())
    labels = [(without_ending(key), file) for file, key in keys.items() if _is_label(file.suffix, key, there)]
    taken = {file for _, file in labels}
    images = [
        (key, file)
        for file, key in keys.items()
        if file not in taken and file.suffix.lower() in IMAGE_SUFFIXES
    ]
    return images, labels


def _is_label(suffix: str, key: str, there: set[str]) -> bool:
    """Has a file the name of another one and an ending that says that it is its label?"""
    image = without_ending(key)
    return suffix.lower() in LABEL_SUFFIXES and image != key and image in there


def _listed(path: Path, reading: Reading) -> ClassSet | None:
    """The classes of Roboflow's tables, which must agree; None where there is none."""
    files = [file for file in (path / _LISTED, *sorted(path.glob(f"*/{_LISTED}"))) if file.is_file()]
    tables = [_table(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table != tables[0]:
            raise InputError(f"{file} and {files[0]} list other classes; write the right ones into {CLASSES}")
    if not tables:
        return None
    return class_set((ClassInfo(id=i, name=name) for i, name in tables[0].items()), (*reading.ignore, IGNORE))


def _table(file: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for row in read_table(file)[1:]:
        words = [word.strip() for word in row]
        if not any(words):
            continue
        if len(words) != 2 or not words[0].isdecimal() or len(words[0]) > 5 or int(words[0]) in found:
            raise InputError(f"{file}: the line {str(row)[:60]}; expected a value of pixels and its class")
        found[int(words[0])] = words[1]
    return found


def _recognizes(path: Path) -> bool:
    return path.is_dir() and any(map(_has_pair, _folders(path)))


def _folders(path: Path) -> Iterator[Path]:
    """A folder, and some of those just below."""
    yield path
    with os.scandir(path) as entries:
        below = sorted(one.name for one in entries if one.name[0] not in "._" and is_folder(one))
    yield from islice((path / name for name in below), _FEW)


def _has_pair(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            names = [Path(plain(one.name)) for one in entries if one.name[0] != "." and is_file(one)]
    except OSError:
        return False
    there = {one.stem for one in names if one.suffix.lower() in IMAGE_SUFFIXES}
    return any(_is_label(one.suffix, one.stem, there) for one in names)


FORMAT = Format(
    name="beside",
    title="images with their label files beside them, as a.jpg and a_mask.png; also Roboflow's masks",
    recognizes=_recognizes,
    reads=read_beside,
)

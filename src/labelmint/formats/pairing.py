"""Images and label files on disk, matched by name: the folders that hold them, subfolders, and names that differ.

    images/a.jpg         labels/a.png           one folder each (also img, masks, gt and so on)
    images/train/a.jpg   labels/train/a.png     subfolders that both have; train, val and test are parts
    train/images/a.jpg   train/labels/a.png     the same, the other way round

Labels are PNGs, or where there is none TIFF, BMP or GIF files; folders may be written in any case. A label is that of
the image of its name; else of the only one whose name differs in its Unicode form, then in its case, then by an ending
such as `_mask`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from labelmint.formats.files import Parts, is_file, is_folder
from labelmint.formats.format import part_of_folders, part_word
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import names_of
from labelmint.formats.walk import folders_of

__all__ = [
    "IMAGE_FOLDERS",
    "LABEL_FOLDERS",
    "LABEL_SUFFIXES",
    "Place",
    "file_of_each",
    "files_by_key",
    "folders_called",
    "names_of_keys",
    "parts_of_paths",
    "places",
    "plain",
    "without_ending",
]

IMAGE_FOLDERS = ("images", "image", "imgs", "img")
LABEL_FOLDERS = (
    "labels",
    "masks",
    "annotations",
    "label",
    "mask",
    "annotation",
    "gt",
    "ground_truth",
    "groundtruth",
    "seg",
    "segmentation",
)
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")  # of files that keep ids as they are
_PNG = LABEL_SUFFIXES[:1]
_ENDING = re.compile(r"[-_ .](?:masks?|gt|labels?|seg|segmentation|annotations?)$", re.IGNORECASE)


class Place(NamedTuple):
    """Where images and their labels lie.

    Arguments:
        part: the folder around both, empty for the data set itself. suffixes: of the label files.
    """

    images: Path
    labels: Path
    part: str = ""
    suffixes: tuple[str, ...] = _PNG

    @property
    def home(self) -> Path:
        """The folder around both."""
        return self.images.parent


def places(path: Path) -> list[Place]:
    """Where a data set has images and labels: beside each other, or so in each of its folders train, val and test."""
    if not path.is_dir():
        return []
    found = _beside(path, "")
    if found is not None:
        return [found]
    below = sorted(one for one in path.iterdir() if part_word(one.name) and one.is_dir())
    return [place for one in below if (place := _beside(one, one.name)) is not None]


def _beside(path: Path, part: str) -> Place | None:
    for suffixes in (_PNG, LABEL_SUFFIXES):
        for images in folders_called(path, IMAGE_FOLDERS):
            for labels in folders_called(path, LABEL_FOLDERS):
                key, first = next(_walk(labels, suffixes, images), ("", labels))
                if key and ("/" not in key or _fits(first.parent, labels, images)):
                    return Place(images, labels, part, suffixes)
    return None


def folders_called(path: Path, names: Sequence[str]) -> list[Path]:
    """The folders in a folder that have one of some names, in any case, in the order of the names."""
    with os.scandir(path) as entries:
        there = sorted(one.name for one in entries if one.name.lower() in names and is_folder(one))
    return [path / one for name in names for one in there if one.lower() == name]


def _fits(below: Path, labels: Path, images: Path) -> bool:
    """Return True for a subfolder with the label of an image: other formats have such folders, too."""
    twin = images / below.relative_to(labels)
    files = {file.stem: file for file in below.iterdir()}
    return bool(file_of_each([file.stem for file in twin.iterdir() if file.is_file()], files))


def _walk(folder: Path, suffixes: Sequence[str], twin: Path) -> Iterator[tuple[str, Path]]:
    """Files of these kinds below a folder by their keys, hidden ones left out; of its subfolders those that its twin
    has too.
    """
    for below, entries in folders_of(folder, lambda sub: (twin / sub).is_dir()):
        prefix = f"{below}/" if below else ""
        for entry in entries:
            stem, _, suffix = entry.name.rpartition(".")
            if f".{suffix.lower()}" in suffixes and stem and is_file(entry):
                yield prefix + stem, folder / below / entry.name


def files_by_key(folder: Path, suffixes: Sequence[str], twin: Path, odd: Odd) -> dict[str, Path]:
    """Files by their path below the folder without ending, as "train/a"; what else lies there is noted."""
    found = list(_walk(folder, suffixes, twin))
    taken = {key.split("/", 1)[0] if "/" in key else file.name for key, file in found}
    there = sorted({file.name for file in folder.iterdir() if not file.name.startswith(".")} - taken)
    dead = [name for name in there if _is_dead(folder / name, suffixes)]
    text = f"{folder}: {len(dead)} links lead nowhere, first {first_of(dead)}; put the files there, or remove the links"
    odd.refuse("dead links", text, dead)
    others = [name for name in there if name not in dead]
    if others:
        odd.note("other files", f"{folder}: {len(others)} entries are not read, first {others[0]!r}", others)
    doubled = [key for key, count in Counter(key for key, _ in found).items() if count > 1]
    text = (
        f"{folder}: {len(doubled)} names stand there twice with different endings, first "
        f"{first_of(doubled)}; keep one of each"
    )
    odd.refuse("doubled names", text, doubled)
    return dict(reversed(found))


def _is_dead(file: Path, suffixes: Sequence[str]) -> bool:
    return file.suffix.lower() in suffixes and file.is_symlink() and not file.exists()


def plain(name: str) -> str:
    """A name in one Unicode form (NFC), however the system that wrote it does."""
    return unicodedata.normalize("NFC", name)


def without_ending(name: str) -> str:
    """The name of a label file, or of its path without suffix, less what says that it is one: `_mask` and the like."""
    return _ENDING.sub("", name)


def _folded(name: str) -> str:
    return plain(name).casefold()


def file_of_each(keys: Iterable[str], files: Mapping[str, Path]) -> dict[str, Path]:
    """The file of each key, where one is its own beyond doubt."""
    found = {key: files[key] for key in keys if key in files}
    forms: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
        (plain, plain),
        (_folded, _folded),
        (plain, lambda name: without_ending(plain(name))),
        (_folded, lambda name: without_ending(_folded(name))),
    )
    free_keys, free_files = set(keys) - set(found), set(files) - set(found)
    for of_key, of_file in forms:
        if not free_keys or not free_files:
            break
        wanted, there = _grouped(free_keys, of_key), _grouped(free_files, of_file)
        for form, (key, *more) in wanted.items():
            if not more and len(there.get(form, ())) == 1:
                (file,) = there[form]
                found[key] = files[file]
                free_keys.discard(key)
                free_files.discard(file)
    return found


def _grouped(keys: Iterable[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[form(key)].append(key)
    return groups


def names_of_keys(keys: Sequence[str], source: str) -> dict[str, str]:
    """The name of the pair of each key: without folders, or with all of them where names would collide."""
    return dict(zip(keys, names_of([f"{key}.png" for key in keys], source), strict=True))


def parts_of_paths(names: Mapping[str, str]) -> Parts:
    """The parts that folders make, given the path of each file with its pair's name."""
    found = {name: part for file, name in names.items() if (part := part_of_folders(file))}
    return Parts.of(dict(sorted(found.items())))

"""What the files beside a YOLO set's images say: ultralytics' `data.yaml`, darknet's `obj.data`, lists of names.

data.yaml    path: root    train: images/train | [folder, ...] | train.txt    val: ...    test: ...
             names: [cat, dog] | {0: cat, 1: dog}    kpt_shape: [points, numbers a point]
obj.data     train = data/train.txt    valid = data/valid.txt    names = data/obj.names
obj.names, classes.txt, _darknet.labels, *.names    one name a line
train.txt, val.txt (valid.txt), test.txt            one path of an image a line
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.format import PARTS, Part, part_of_folders, part_word
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.text_files import read_lines, read_text, read_yaml
from labelmint.formats.yolo_layout import Tree

__all__ = ["Config", "class_names", "config_of", "parts_of", "sign_of"]

_HEAD = 1 << 16
_KEYS: dict[Part, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "valid", "validation"),
    "test": ("test",),
}
_NAMES = ("obj.names", "classes.txt", "_darknet.labels", "predefined_classes.txt")


@dataclass(frozen=True)
class Config:
    """What a data.yaml or obj.data says.

    Arguments:
        file: it, or None where there is none.
        entries: the folders, lists or images of each part, as they stand there. root: what they lie below.
        names: name of each number of a class, or None where it does not say. count: of classes, where it says that
            alone.
        names_file: the path of a file of names, or None.
        keypoints: points of an object and numbers of a point, or None for objects without.
    """

    file: Path | None = None
    entries: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    root: str = ""
    names: Mapping[int, str] | None = None
    count: int | None = None
    names_file: str | None = None
    keypoints: tuple[int, int] | None = None


def sign_of(path: Path) -> list[Path]:
    """The files of a folder that are a data.yaml or obj.data, the usual names alone where they are there; or the file
    itself.
    """
    if path.is_file():
        return [path] if _fits(path) else []
    found = sorted(
        file for file in path.iterdir() if not file.name.startswith(".") and file.is_file() and _fits(file)
    )
    usual = [file for file in found if file.name.lower() in ("data.yaml", "data.yml", "obj.data")]
    return usual[:1] or found


def _fits(file: Path) -> bool:
    """Does a file begin as a data.yaml or obj.data?"""
    ending = file.suffix.lower()
    if ending not in (".yaml", ".yml", ".data"):
        return False
    with file.open("rb") as stream:
        head = stream.read(_HEAD).replace(b"\0", b"")
    sign = rb"\s*=" if ending == ".data" else rb"['\"]?\s*:"

    def says(words: bytes) -> bool:
        return (
            re.search(rb"(?:^|[\r\n\xef\xbb\xbf\xff\xfe{,])\s*['\"]?(?:" + words + rb")" + sign, head)
            is not None
        )

    return says(b"names|nc|classes") and says(b"train|val|valid|validation|test")


def config_of(path: Path) -> Config:
    """What is said of a set at a path (its folder, or the file itself). Raises InputError for a broken file, and where
    several fit.
    """
    files = sign_of(path)
    if len(files) > 1:
        shown = ", ".join(str(file) for file in files[:4])
        raise InputError(f"{len(files)} YOLO files fit: {shown}; pass the path of the one to read")
    if not files and path.is_file():
        raise InputError(f"{path}: neither a data.yaml nor an obj.data; pass one of these, or the folder")
    if not files:
        return Config()
    return _darknet(files[0]) if files[0].suffix.lower() == ".data" else _ultralytics(files[0])


def _darknet(file: Path) -> Config:
    said = {
        key.strip().lower(): value.strip()
        for key, sign, value in (line.partition("=") for line in read_lines(file) if not line.startswith("#"))
        if sign
    }
    entries = {part: (said[key],) for part, keys in _KEYS.items() for key in keys if said.get(key)}
    return Config(file, entries, names_file=said.get("names"))


def _ultralytics(file: Path) -> Config:
    said = read_yaml(file, as_text=True)
    if not isinstance(said, dict):
        raise InputError(f"{file}: expected names, train and val, as ultralytics has them in a data.yaml")
    root = said.get("path") or ""
    if not isinstance(root, str):
        raise InputError(f'{file}: "path" must be a folder, got {str(root)[:60]}')
    entries = {
        part: tuple(_texts(said[key], f'{file}: "{key}"'))
        for part, keys in _KEYS.items()
        for key in keys
        if said.get(key)
    }
    count = _count(said)
    names = None if count is not None else _names(said, file)
    return Config(file, entries, root, names, count, keypoints=_keypoints(said, file))


def _texts(value: Any, what: str) -> Sequence[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise InputError(
            f"{what} must be a folder, a list of folders or a file of paths, got {str(value)[:60]}"
        )
    return values


def _count(said: Mapping[str, Any]) -> int | None:
    """How many classes there are, where that alone is said of them."""
    alone = not said.get("names") and str(said.get("nc", "")).isdecimal()
    return min(int(str(said["nc"])[:6]), 65535) if alone else None


def _names(said: Mapping[str, Any], file: Path) -> dict[int, str]:
    value = said.get("names")
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise InputError(f'{file}: "names" must list the classes, like [cat, dog] or {{0: cat, 1: dog}}')
    numbers = [int(key) if re.fullmatch(r"\d{1,5}", str(key)) else -1 for key in value]
    if len(set(numbers)) < len(numbers) or not all(0 <= number < 65535 for number in numbers):
        raise InputError(f'{file}: the keys of "names" must be different numbers from 0 to 65534')
    return dict(zip(numbers, value.values(), strict=True))


def _keypoints(said: Mapping[str, Any], file: Path) -> tuple[int, int] | None:
    value = said.get("kpt_shape")
    if not value:
        return None
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(re.fullmatch(r"\d{1,4}", str(n)) for n in value)
    ):
        raise InputError(f'{file}: "kpt_shape" must be [points, numbers a point], got {str(value)[:60]}')
    return int(value[0]), int(value[1])


def class_names(tree: Tree, config: Config, odd: Odd) -> dict[int, str] | None:
    """Name of each number of a class, or None where nothing says it: as data.yaml names them, else as files of names
    do, which must agree (one may go on where another ends); data.yaml may count further ones.
    """
    if config.names is not None:
        _note_otherwise(tree, config, config.names, odd)
        return dict(config.names)
    named = tree.named(config.names_file) if config.names_file else None
    if config.names_file and named is None:
        odd.refuse(
            "names missing",
            f"{config.file}: the file of names {config.names_file!r} is not there; add it",
            [config.names_file],
        )
    files = [named] if named else [file for file in tree.files if _lists_names(file)]
    best: list[str] = []
    for file in files:
        names = read_text(tree.root / file).rstrip().splitlines()
        names = [name.strip() or f"class_{number}" for number, name in enumerate(names)]
        shorter, longer = sorted((names, best), key=len)
        if longer[: len(shorter)] != shorter:
            text = (
                f"{tree.root}: {files[0]} and {file} name the classes differently; keep the one that is right"
            )
            odd.refuse("several lists of names", text, [file])
            continue
        best = longer
    best += [f"class_{number}" for number in range(len(best), config.count or 0)]
    return dict(enumerate(best)) if best else None


def _note_otherwise(tree: Tree, config: Config, names: Mapping[int, str], odd: Odd) -> None:
    """Note the files that name the classes otherwise than data.yaml does."""
    others = []
    for file in filter(_lists_names, tree.files):
        try:
            listed = read_text(tree.root / file).rstrip().splitlines()
        except InputError:
            continue  # it is not needed
        if any(names.get(number) != name.strip() for number, name in enumerate(listed) if name.strip()):
            others.append(file)
    if others:
        odd.note(
            "other names", f"{config.file}: its names of classes are taken, not those of {others[0]}", others
        )


def _lists_names(file: str) -> bool:
    name = PurePosixPath(file).name.lower()
    return name in _NAMES or name.endswith(".names")


def parts_of(tree: Tree, config: Config, odd: Odd) -> dict[Part, tuple[str, ...]]:
    """The images of each part: as data.yaml or obj.data has them, else train.txt and so on, else by folders.

    Where train and val are the same, as in sets for a first try, there is no val part; and without a test part no train
    part either, unless its folder is called so.
    """
    entries = config.entries or {
        part: (file,) for part, keys in _KEYS.items() for key in keys if (file := f"{key}.txt") in tree.files
    }
    if not entries:
        by_folder = {image: part_of_folders(image) for image in tree.images}
        found = {part: tuple(i for i, its in by_folder.items() if its == part) for part in PARTS}
    else:
        found = {part: _images_of(tree, config, part, those, odd) for part, those in entries.items()}
    found = {part: images for part, images in found.items() if images}
    if "train" in found and found.get("validation") == found["train"]:
        del found["validation"]
        alone = "test" not in found or found["test"] == found["train"]
        if alone and any(part_of_folders(image) != "train" for image in found["train"]):
            del found["train"]
    return found


def _images_of(tree: Tree, config: Config, part: Part, entries: Sequence[str], odd: Odd) -> tuple[str, ...]:
    source = config.file or tree.root
    found: dict[str, None] = {}
    for entry in entries:
        name = tree.named(entry, config.root)
        if name is None:
            usual = [one for one in tree.folders if _is_of(one, part) and any(tree.below(one))]
            read = f"; {usual[0]} is read in its place" if usual else ""
            odd.note("part missing", f"{source}: its {part} part {entry!r} is not there{read}", [entry])
            name = next(iter(usual), None)
        if name is None:
            continue
        if name in tree.folders:
            found.update(dict.fromkeys(tree.below(name)))
        elif name.lower().endswith(".txt"):
            found.update(dict.fromkeys(_in_list(tree, name, odd)))
        else:
            found[name] = None
    return tuple(found)


def _is_of(folder: str, part: Part) -> bool:
    return any(part_word(piece) == part for piece in folder.split("/"))


def _in_list(tree: Tree, name: str, odd: Odd) -> list[str]:
    lines = read_lines(tree.root / name)
    found = [tree.image_named(line) for line in lines]
    missing = [line for line, image in zip(lines, found, strict=True) if image is None]
    text = (
        f"{tree.root / name}: lists {len(missing)} images that are not there, first {first_of(missing)}; add them, or "
        f"remove the lines"
    )
    odd.refuse("listed but missing", text, missing)
    return [image for image in found if image is not None]

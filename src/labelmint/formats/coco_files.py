"""Where the files of a COCO data set lie: its annotation files, the parts that they are, and the pictures of each.

    annotations/instances_{train,val,test}*.json    over images/{train,val,test}/, train2017/ or images/
    SPLIT/_annotations.coco.json                    beside the pictures of each SPLIT (Roboflow)
    annotations/instances_SUBSET.json               over images/SUBSET/ (CVAT, Datumaro)
    instances.json or annotations.json              beside images/, alone

Of several kinds in one folder instances win, then files with boxes or outlines, key points, stuff. A picture is looked
for in folders named like its annotation file's part first; elsewhere it must be found once, or its size must decide.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.formats.format import PART_WORDS, Part, part_in
from labelmint.formats.image_files import image_size
from labelmint.formats.json_files import USUAL, holds, one_of
from labelmint.formats.lookup import Lookup
from labelmint.formats.odd import Odd

__all__ = ["Pictures", "Source", "annotation_files", "name_of_part", "sources"]

_WORDS = (b"images", b"annotations", b"categories")
_OBJECTS = (b"bbox", b"segmentation")
_PANOPTIC = b"segments_info"
_RANKS = {"instances": 0, "": 1, "person_keypoints": 2, "stuff": 3}  # which kind is read where several lie
_NO_OBJECTS = ("captions", "image_info", "labels", "panoptic")
_NO_TAGS = (
    "annotations",
    "coco",
    "instances",
    "labels",
    "masks",
    "panoptic",
)  # folders of these names hold no pictures
_FEW = 100
_EMPTY = 4  # files that list no objects
Size = tuple[int, int]


class Source(NamedTuple):
    """One annotation file of a data set.

    Arguments:
        file: the JSON. home: the folder of the data set.
        tag: the end of its name, or the folder's, such as "train2017". part: what that means.
    """

    file: Path
    home: Path
    tag: str
    part: Part | None


def name_of_part(part: Part | None) -> str:
    """What a part is called in file names."""
    return "rest" if part is None else PART_WORDS[part][0]


def annotation_files(path: Path, *, panoptic: bool = False) -> list[Source]:
    """The annotation files at a path: the file itself, those of the folder and its annotations/, or where none lies
    there those of folders that are named like parts.
    """
    if path.is_file():
        return [_source(path, path.parent)] if _fits(path, panoptic) else []
    if not path.is_dir():
        return []
    found = [file for folder in (path, path / "annotations") for file in _jsons(folder)]
    usual = next((f for name in USUAL for f in found if f == path / name and _fits(f, panoptic)), None)
    if usual is not None and not panoptic:
        return [_source(usual, path)]
    here = [_source(file, path) for file in found if _fits(file, panoptic)]
    if here:
        return here
    below = [folder for folder in _folders(path) if part_in(folder.name)]
    return [_source(file, path) for folder in below for file in _jsons(folder) if _fits(file, panoptic)]


def sources(path: Path, odd: Odd, format: str, *, panoptic: bool = False) -> list[Source]:
    """The annotation files that make up the data set at a path; what is left out is noted.

    Raises InputError where there is none, or where several fit that do not belong together.
    """
    if path.is_file():
        return [_source(path, path.parent)]
    found = annotation_files(path, panoptic=panoptic)
    if not found:
        return [_source(one_of(path, [], format), path)]
    ranks = [0 if panoptic else _rank(one.file) for one in found]
    chosen = [one for one, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    if len(chosen) > 1:
        chosen = _belonging(chosen, path, format)
    left = [str(one.file.relative_to(path)) for one in found if one not in chosen]
    if left:
        names = ", ".join(str(one.file.relative_to(path)) for one in chosen)
        text = f"{path}: read are {names}, not {', '.join(left)}; pass the path of a file to read that one"
        odd.note("other annotation files", text, left)
    return chosen


def _belonging(found: list[Source], path: Path, format: str) -> list[Source]:
    """Return those files that are parts of one set: named like a part each, or like a folder of pictures."""
    own = {one: _own_folder(one) is not None for one in found}
    parts = Counter(one.part for one in found if not own[one])
    belong = [one for one in found if own[one] or (one.part and parts[one.part] == 1)]
    if not belong or any(count > 1 for part, count in parts.items() if part):
        one_of(path, [one.file for one in found], format)
    return belong


def _own_folder(source: Source) -> Path | None:
    """The folder of pictures that is named like the file, where there is one."""
    there = (source.home / "images" / source.tag, source.home / source.tag)
    return next((folder for folder in there if source.tag and folder.is_dir()), None)


def _source(file: Path, home: Path) -> Source:
    """A file, its part told by its name, then by its folder's."""
    if file.parent == home and file.parent.name == "annotations":
        home = home.parent
    stem = file.name.removesuffix(".json")
    kind = next((one for one in (*_RANKS, *_NO_OBJECTS) if one and stem.startswith(f"{one}_")), None)
    tag = stem.removeprefix(f"{kind}_") if kind else stem.rpartition("_")[2]
    tag = "" if tag in _NO_TAGS else tag
    part = part_in(tag) or part_in(stem)
    if part is None and file.parent not in (home, home / "annotations"):
        return Source(file, home, file.parent.name, part_in(file.parent.name))
    return Source(file, home, tag, part)


def _rank(file: Path) -> int:
    stem = file.name.lower()
    kind = next((one for one in _RANKS if one and stem.startswith(one)), "")
    objects = any(holds(file, b"{", (word,)) for word in _OBJECTS)
    return _RANKS[kind] if objects or kind == "instances" else _EMPTY


def _fits(file: Path, panoptic: bool) -> bool:
    if not holds(file, b"{", _WORDS) or holds(file, b"{", (_PANOPTIC,)) != panoptic:
        return False
    named = file.name.lower().startswith(tuple(f"{one}_" for one in _NO_OBJECTS))
    return panoptic or not named or any(holds(file, b"{", (word,)) for word in _OBJECTS)


def _jsons(folder: Path) -> list[Path]:
    """The files that may be of COCO: where there are very many, as in sets with one a picture, those called so."""
    files = [file for file in sorted(folder.glob("*.json")) if not file.name.startswith(".")]
    if len(files) <= _FEW:
        return files
    usual = (*(kind for kind in _RANKS if kind), "panoptic", "annotations", "_annotations")
    return [file for file in files if file.name.startswith(usual)]


def _folders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


class Found(NamedTuple):
    """A picture, and the file name that led to it, below one of the folders."""

    file: Path
    name: str


@dataclass
class Pictures:
    """Finds the pictures of one annotation file.

    Arguments:
        source: the annotation file.
        guessed: file names that were found by their end alone.
    """

    source: Source
    guessed: list[str] = field(default_factory=list)
    _lookup: Lookup = field(default_factory=Lookup)

    def __post_init__(self) -> None:
        home, tag, part = self.source.home, self.source.tag, self.source.part
        words = dict.fromkeys((tag, *(PART_WORDS[part] if part else ())))
        named = [folder for word in words if word for folder in (home / "images" / word, home / word)]
        beside = dict.fromkeys((home, self.source.file.parent))
        usual = [folder / below for folder in beside for below in ("images", "", "data", "JPEGImages")]
        self._preferred = [str(folder) for folder in named if folder.is_dir()]
        self._usual = [str(folder) for folder in usual if folder.is_dir()]

    def find(self, image: Mapping[str, Any]) -> Found | None:
        """The picture of an entry of "images"; None where it is missing.

        Raises InputError for a name that is none, that leaves the folder, and for several pictures that fit.
        """
        source, text = self.source.file, image.get("file_name")
        address = image.get("coco_url")
        if text is None and isinstance(address, str):  # LVIS
            text = "/".join(address.split("/")[-2:])
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            raise InputError(f"{source}: an image's file name must be text, got {text!r}")
        parts, leaves = _parts(text)
        for start in range(len(parts)):
            tail = parts[start:]
            hits = [] if ".." in tail else self._hits(tail)
            if hits:
                if (start or leaves) and image.get("file_name") is not None:
                    self.guessed.append(text)
                return Found(self._one_of(hits, image, text), "/".join(tail))
        if leaves:
            raise InputError(
                f"{source}: the file name {text!r} leaves the folder; expected a path below the data set's images/"
            )
        return None

    def _hits(self, parts: tuple[str, ...]) -> list[str]:
        """The file that a folder named like the part has; else those of all other folders."""
        for root in self._preferred:
            file = self._lookup.find(root, parts)
            if file is not None:
                return [file]
        return [file for root in self._usual if (file := self._lookup.find(root, parts)) is not None]

    def _one_of(self, hits: Sequence[str], image: Mapping[str, Any], text: str) -> Path:
        if len(hits) == 1:
            return Path(hits[0])
        distinct = list({os.path.realpath(hit): Path(hit) for hit in reversed(hits)}.values())[::-1]
        if len(distinct) > 1:
            stated = image.get("height"), image.get("width")
            distinct = [one for one in distinct if image_size(one) == stated] or distinct
        if len(distinct) > 1:
            raise InputError(
                f"{self.source.file}: {len(distinct)} pictures fit {text!r}: {distinct[0]} and {distinct[1]}; move "
                f"those away that were not annotated, or write the folder into file_name"
            )
        return distinct[0]


def _parts(text: str) -> tuple[tuple[str, ...], bool]:
    """The folders and the name of a path, and whether it leads out of the folder that it is taken from."""
    if not any(sign in text for sign in "/\\:"):
        return (text,), text == ".."
    path, drive = PurePosixPath(text.replace("\\", "/")), PureWindowsPath(text).drive
    leaves = path.is_absolute() or ".." in path.parts or bool(drive)
    return tuple(part for part in path.parts if part not in ("/", "//", drive)), leaves

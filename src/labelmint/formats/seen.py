"""What lies at a path that is no format's, in words, with what makes it one: for the refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.files import IMAGE_SUFFIXES, is_file
from labelmint.formats.pairing import LABEL_FOLDERS, LABEL_SUFFIXES, folders_called
from labelmint.formats.text_files import read_yaml
from labelmint.formats.walk import folders_of

__all__ = ["advice", "images_seen"]

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".dcm")
_LOSSY = (".jpg", ".jpeg", ".webp")
_TABLES = (".json", ".xml", ".csv", ".txt")
_NO_TABLES = (
    "train.txt",
    "val.txt",
    "test.txt",
    "readme.txt",
    "license.txt",
    "croissant.json",
    "settings.json",
)
_MOST = 20_000  # files that are looked at


def advice(path: Path) -> str:
    """What makes the data at a path readable, where that is known; empty where it is not."""
    if path.is_file():
        kind = _kind(path)
        return f"it is {kind}" if kind else ""
    files = list(islice(_below(path), _MOST))
    found = (_elsewhere(path), _lossy(path), _packed(path, files))
    return next((text for text in found if text), "")


def images_seen(path: Path) -> str:
    """The images at a path, and a file that may be their label, in words; none where neither is there."""
    files = list(islice(_below(path), _MOST)) if path.is_dir() else []
    images = [one for one in files if one.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        return "the folder is empty" if path.is_dir() and not files else ""
    first = images[0].relative_to(path)
    seen = (
        f"{len(images)} images lie there, first {first}"
        if len(images) > 1
        else f"the image {first} lies there"
    )
    tables = (one for one in files if one.suffix.lower() in _TABLES and one.name.lower() not in _NO_TABLES)
    table = next(tables, None)
    if table is None:
        return f"{seen}, and labels are missing (`labelmint inspect` says what images alone are good for)"
    return f"{seen}, and {table.relative_to(path)} is of no format that is known"


def _below(path: Path) -> Iterator[Path]:
    """The files in a folder and below it, hidden ones left out."""
    with suppress(OSError):
        for below, entries in folders_of(path):
            yield from (path / below / one.name for one in entries if is_file(one))


def _kind(path: Path) -> str:
    """What a file is that cannot be read as it is, and what to do about it."""
    name = path.name.lower()
    if name.endswith(_VOLUMES):
        return "a volume; save its slices as images with label PNGs"
    if name.endswith(_ARCHIVES):
        return "an archive; unpack it and pass the folder"
    if name.endswith(IMAGE_SUFFIXES):
        return "an image; pass the folder that holds it and its label"
    return ""


def _elsewhere(path: Path) -> str:
    """A YAML file of ultralytics whose images lie outside of its folder."""
    for file in sorted(one for one in path.iterdir() if one.suffix.lower() in (".yaml", ".yml"))[:5]:
        try:
            said = read_yaml(file, as_text=True)
        except InputError:
            continue
        place = said.get("path") if isinstance(said, dict) and "train" in said else None
        folder = (path / place).resolve() if isinstance(place, str) and place and "\0" not in place else path
        if folder.is_relative_to(path.resolve()):
            continue
        if folder.is_dir():
            return f"its images lie in {folder}, as {file.name} says; pass that folder"
        return f"its images lie in {place}, as {file.name} says, and that is not there; put {file.name} beside them"
    return ""


def _lossy(path: Path) -> str:
    """A folder of labels that were saved with a loss."""
    for folder in folders_called(path, LABEL_FOLDERS):
        file = next((one for one in _below(folder) if one.suffix.lower() in _LOSSY), None)
        if file is not None:
            kinds = ", ".join(one[1:].upper() for one in LABEL_SUFFIXES if one != ".tiff")
            return (
                f"{folder.name}/ holds {file.name}, and {file.suffix[1:].upper()} changes class ids; save labels in a "
                f"format without loss ({kinds})"
            )
    return ""


def _packed(path: Path, files: list[Path]) -> str:
    """An archive or a volume, where no image lies beside it."""
    if any(one.suffix.lower() in IMAGE_SUFFIXES for one in files):
        return ""
    file = next((one for one in files if one.name.lower().endswith((*_ARCHIVES, *_VOLUMES))), None)
    return f"{file.relative_to(path)} is {_kind(file)}" if file is not None else ""

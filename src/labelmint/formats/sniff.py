"""Which format labelled images are in, and which file of theirs to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.folder import label_folder

__all__ = ["Found", "choose"]

_USUAL = ("instances.json", "annotations.json")
_KINDS = {b"{": "coco", b"[": "bbbc041"}
_EXPECTED = (
    "expected images/ with labels/ (label PNGs of the same names), or a COCO or BBBC041 JSON beside images/"
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A format that fits, and what its reader takes: the folder, or its JSON file."""

    format: str
    path: Path


def choose(path: Path, format: str | None) -> tuple[Found, Sequence[Found]]:
    """The format to read `path` as, and the others that fit (none when the format is given).

    Raises InputError where nothing fits or several JSON files of one format do.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {_EXPECTED}")
    if format is not None:
        return Found(format=format, path=_path_for(path, format)), ()
    found = [Found(format="folder", path=path)] if path.is_dir() and label_folder(path) else []
    found += [
        Found(format=kind, path=_one(files))
        for kind in ("coco", "bbbc041")
        if (files := _json_files(path, kind))
    ]
    if not found:  # a broken file of a usual name is better told than passed over
        found = [Found(format=kind, path=file) for file in _named(path) if (kind := _KINDS.get(_first(file)))]
    if not found:
        raise InputError(f"{path}: no labelled images found{_nearby(path)}; {_EXPECTED}")
    return found[0], found[1:]


def _path_for(path: Path, format: str) -> Path:
    if format == "folder":
        if not path.is_dir():
            raise InputError(f"{path}: the format folder is read from a folder, not from a file")
        return path
    if path.is_file():
        return path
    files = _json_files(path, format)
    if not files:
        raise InputError(
            f"{path}: no {format} JSON there; pass the path of the file itself if it lies elsewhere"
        )
    return _one(files)


def _json_files(path: Path, kind: str) -> list[Path]:
    """The JSON files of a kind in a folder and its annotations/, the usual names first; or the file itself."""
    if path.is_file():
        return [path] if _kind(path) == kind else []
    files = [file for folder in (path, path / "annotations") for file in sorted(folder.glob("*.json"))]
    usual = [file for name in _USUAL for file in files if file.parent == path and file.name == name]
    for group in ([file] for file in usual):
        if _kind(group[0]) == kind:
            return group
    return [file for file in files if not file.name.startswith(".") and _kind(file) == kind]


def _one(files: Sequence[Path]) -> Path:
    if len(files) > 1:
        names = ", ".join(str(file) for file in files[:4])
        raise InputError(f"{len(files)} annotation files fit: {names}; pass the path of the one to read")
    return files[0]


def _kind(file: Path) -> str | None:
    """Kind of a JSON file by the words in it, so that a large one is parsed once only and a broken one is
    still told.
    """
    content = file.read_bytes()
    first = _first(file)
    if first == b"{" and all(word in content for word in (b'"images"', b'"annotations"', b'"categories"')):
        return "coco"
    if first == b"[" and b'"pathname"' in content and b'"objects"' in content:
        return "bbbc041"
    return None


def _first(file: Path) -> bytes:
    """The first sign of a file that is no space."""
    with file.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def _named(path: Path) -> list[Path]:
    return [path] if path.is_file() else [path / name for name in _USUAL if (path / name).is_file()]


def _nearby(path: Path) -> str:
    """Folders just below that do fit, for who passed the folder above."""
    if not path.is_dir():
        return ""
    fits = [
        str(sub)
        for sub in sorted(path.iterdir())
        if sub.is_dir() and (label_folder(sub) or (sub / _USUAL[0]).is_file())
    ]
    return f" (did you mean {' or '.join(fits[:3])}?)" if fits else ""

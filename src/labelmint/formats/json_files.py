"""JSON annotation files of a data set, told apart by the words in them, so that a large one is parsed once only and a
broken one is still reported.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from labelmint.errors import InputError

__all__ = ["USUAL", "first_sign", "json_files", "one_of"]

USUAL = ("instances.json", "annotations.json")


def json_files(path: Path, first: bytes, words: Collection[bytes]) -> list[Path]:
    """The JSON files in a folder and its annotations/ that begin with a sign and hold all the words; the one of a usual
    name alone where there is one; or the file itself.
    """
    if path.is_file():
        return [path] if _holds(path, first, words) else []
    files = [
        file
        for folder in (path, path / "annotations")
        for file in sorted(folder.glob("*.json"))
        if not file.name.startswith(".") and file.is_file()
    ]
    usual = [file for name in USUAL for file in files if file.parent == path and file.name == name]
    found = next((file for file in usual if _holds(file, first, words)), None)
    return [file for file in files if _holds(file, first, words)] if found is None else [found]


def one_of(path: Path, files: Sequence[Path], format: str) -> Path:
    """The only file; where there is none that of a usual name, which may be broken. Raises InputError where there is
    none of these, or several.
    """
    files = files or [file for name in USUAL if (file := path / name).is_file()]
    if not files:
        raise InputError(
            f"{path}: no {format} JSON there; pass the path of the file itself if it lies elsewhere"
        )
    if len(files) > 1:
        names = ", ".join(str(file) for file in files[:4])
        raise InputError(f"{len(files)} annotation files fit: {names}; pass the path of the one to read")
    return files[0]


def first_sign(file: Path) -> bytes:
    """The first sign of a file that is no space."""
    with file.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def _holds(file: Path, first: bytes, words: Collection[bytes]) -> bool:
    content = file.read_bytes()
    return first_sign(file) == first and all(b'"' + word + b'"' in content for word in words)

"""JSON annotation files of a data set, told apart by the words in them, so that a large one is parsed once only and a
broken one is still reported. The words are looked for in the encoding that the file has.
"""

from __future__ import annotations

import codecs
import mmap
from collections.abc import Collection, Sequence
from pathlib import Path

from labelmint.errors import InputError

__all__ = ["USUAL", "first_sign", "holds", "json_files", "one_of"]

USUAL = ("instances.json", "annotations.json")

_MARKS = (  # UTF-32 before UTF-16, whose mark begins the same
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def json_files(path: Path, first: bytes, words: Collection[bytes]) -> list[Path]:
    """The JSON files in a folder and its annotations/ that begin with a sign and hold all the words; the one of a usual
    name alone where there is one; or the file itself.
    """
    if path.is_file():
        return [path] if holds(path, first, words) else []
    files = [
        file
        for folder in (path, path / "annotations")
        for file in sorted(folder.glob("*.json"))
        if not file.name.startswith(".") and file.is_file()
    ]
    usual = [file for name in USUAL for file in files if file.parent == path and file.name == name]
    found = next((file for file in usual if holds(file, first, words)), None)
    return [file for file in files if holds(file, first, words)] if found is None else [found]


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
    """The first sign of a file that is no space, as UTF-8."""
    with file.open("rb") as stream:
        begin = stream.read(256)
    mark, encoding = _encoding(begin)
    return begin[len(mark) :].decode(encoding, errors="ignore").lstrip(" \t\r\n")[:1].encode()


def holds(file: Path, first: bytes, words: Collection[bytes]) -> bool:
    """True if a file begins with a sign and holds all the words in quotes; False for one that cannot be read."""
    try:
        if not file.is_file() or first_sign(file) != first:
            return False
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _, encoding = _encoding(content[:4])
            quoted = (f'"{word.decode()}"'.encode(encoding) for word in words)
            return all(content.find(word) >= 0 for word in quoted)
    except (OSError, ValueError):
        return False


def _encoding(begin: bytes) -> tuple[bytes, str]:
    """The byte order mark that a file begins with, and the encoding that it means."""
    return next(((mark, name) for mark, name in _MARKS if begin.startswith(mark)), (b"", "utf-8"))

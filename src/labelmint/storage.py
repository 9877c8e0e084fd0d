"""Files that are there whole or not at all: every one is written aside, under a hidden name, and then renamed.
And folders that are marked, so that a command goes on with its own work and with no other, and locked, so that no two
work in one at a time.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.types import Array

__all__ = [
    "CACHE",
    "Held",
    "alone",
    "check_claim",
    "claim",
    "is_unused",
    "read_mark",
    "refuse_inside",
    "refuse_taken",
    "refuse_unwritable",
    "write_arrays",
    "write_aside",
    "write_json",
    "write_text",
    "write_together",
]

CACHE = (
    "cache"  # a folder in that of a command, which holds nothing but what is made again where it is missing
)

Held = Callable[[str, Mapping[str, Any]], str | None]  # as `check_claim` says
_LONG = 100  # bytes of a name; file systems hold 143 or more


def refuse_taken(folder: Path) -> None:
    """Raise InputError for a path to write to that is a file, or a folder that holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists already and is not an empty folder; name another, or remove it")


def refuse_unwritable(path: Path) -> None:
    """Raise InputError for a path to write to in a folder, or below one, into which nothing may be written: that is to
    be known before long work begins.
    """
    place = next((above for above in path.absolute().parents if above.is_dir()), path)
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{path}: nothing may be written into {place}; give another --out")


def refuse_inside(path: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str]]) -> None:
    """Raise InputError for a path to write to inside of a source that is a folder, or of the folder of one that is a
    file.
    """
    target = Path(path).resolve()
    for source in map(Path, sources):
        if source.is_dir() and source.resolve() in target.parents:
            raise InputError(
                f"{path}: lies inside of {source}, which would then hold it too; name a folder elsewhere"
            )
        if source.is_file() and source.resolve().parent in target.parents:
            raise InputError(
                f"{path}: lies in the folder of {source.name}, where its images and labels are looked for; name a "
                "folder elsewhere"
            )


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well, and else goes."""
    aside = _aside(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    """A hidden path beside a file, whose name is no longer than a long one, which a file system may just hold."""
    name = path.name if len(os.fsencode(path.name)) <= _LONG else sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f".{name}.partial")


@contextmanager
def write_together(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Paths beside new files to write to; when the block ends well they are named one right after the other, the first
    one last.

    A file system names one file at a time, so a process that is killed in between leaves some of them without the
    first: where that is, all are. Where one can't be named, none is left.
    """
    asides = tuple(map(_aside, paths))
    named: list[Path] = []
    try:
        yield asides
        for path, aside in reversed([*zip(paths, asides, strict=True)]):
            aside.replace(path)
            named.append(path)
    finally:
        for left in (*asides, *(named if len(named) < len(paths) else ())):
            left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with lines that end in a line feed; names from the file system may hold other bytes."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as .npz; nothing is pickled."""
    import numpy as np

    with write_aside(path) as aside, aside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


@contextmanager
def alone(folder: Path, waits: Callable[[], None] | None = None) -> Iterator[None]:
    """A block in which no other command that asks for the same works in a folder, which is made where it is missing.

    The system frees the folder however a process ends. Where it locks no folders (Windows, some disks of a network)
    the block is entered at once.

    Arguments:
        waits: called where another command works there, before it is waited for; None: that is refused.

    Raises InputError where it is refused.
    """
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32" or not folder.is_dir():
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        if not _locks(place, at_once=True):
            if waits is None:
                raise InputError(
                    f"{folder}: another command works there; wait until it has ended, or name another folder"
                )
            waits()
            _locks(place, at_once=False)
        yield
    finally:
        os.close(place)


def _locks(place: int, *, at_once: bool) -> bool:
    """Lock an open folder; False where another process holds it, and it is to be had at once or not at all."""
    import fcntl

    try:
        fcntl.flock(place, fcntl.LOCK_EX | (fcntl.LOCK_NB if at_once else 0))
    except OSError as error:  # where there are no locks, no process holds one
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def claim(folder: Path, name: str, kind: str, wanted: Mapping[str, Any], held: Held) -> None:
    """Mark a folder as this kind of work, made as `wanted` says; a folder marked alike is gone on with.

    Arguments:
        folder: made where it is missing.
        name, kind, wanted, held: as for `check_claim`, which raises InputError when the folder holds something else.
    """
    check_claim(folder, name, kind, wanted, held)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / name, _as_stored(wanted))


def check_claim(folder: Path, name: str, kind: str, wanted: Mapping[str, Any], held: Held) -> None:
    """Raise InputError for a folder that holds something else than this kind of work, made as `wanted` says; nothing is
    written.

    Arguments:
        name: of the file with the mark.
        kind: of work, as in "study".
        wanted: what decides the work, JSON or with a text.
        held: from the first key that differs and the mark that is there, {} where it is damaged: what the folder
            holds that another mark would belie, in words; None where nothing was made yet, and it is marked anew.
    """
    file = folder / name
    if file.is_file():
        before = read_mark(file)
        other = next((key for key, value in _as_stored(wanted).items() if before.get(key) != value), None)
        belied = held(other, before) if other is not None else None
        if belied and not before:
            raise InputError(f"{file}: is damaged; give another --out, or remove that folder")
        if belied:
            raise InputError(f"{folder}: holds {belied}; give another --out, or remove it")
    elif not is_unused(folder):
        raise InputError(f"{folder}: exists and is no {kind}; give another --out")


def _as_stored(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a mark says once it is read again."""
    found: dict[str, Any] = json.loads(json.dumps(wanted, default=str))
    return found


def read_mark(file: Path) -> dict[str, Any]:
    """The mark of a folder; {} where it is missing or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except (FileNotFoundError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


def is_unused(folder: Path) -> bool:
    """True if a folder is new, or holds nothing but a cache and what a killed command left of its first file."""
    if not folder.exists():
        return True
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [""]
    return all(name == CACHE or name.endswith(".partial") for name in names)

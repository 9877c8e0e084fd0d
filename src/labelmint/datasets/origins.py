"""The digest of what decides pairs that were loaded: the files that they were read from, how these were read, and what
was made of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from labelmint.types import DataSet
from labelmint.version import __version__

__all__ = ["digest_of_origins", "files_of"]


def digest_of_origins(
    data: DataSet, names: Sequence[str], how: object, but: Path | None = None
) -> str | None:
    """SHA-256 of names, sizes and times of the files behind some pairs, and of `how`, whose repr must not vary.

    Every file below the folders that the data set was read from counts, and every other one that its loader names
    (method `files_of`, name -> paths). None where these are not known: for pairs that were made in memory, say.

    Arguments:
        but: a folder whose files do not count; the one that is written to.
    """
    if not data.origins or (names and files_of(data, names[0]) is None):
        return None
    said = (__version__, data.origins, data.format, data.classes, tuple(names), how)
    digest = hashlib.sha256(repr(said).encode("utf-8", "surrogateescape"))
    roots = [f"{path.rstrip(os.sep)}{os.sep}" for path, _ in data.origins]
    for path, _ in data.origins:
        for line in _below(path, str(but.resolve()) if but is not None else None):
            digest.update(line)
    for name in names:
        for file in map(str, files_of(data, name) or ()):
            if ".." in file or not file.startswith(tuple(roots)):
                digest.update(_line(file, os.stat(file)))  # noqa: PTH116
    return digest.hexdigest()


def files_of(data: DataSet, name: str) -> tuple[Path, ...] | None:
    """The files that one pair is read from; None where its loader does not say."""
    known: Callable[[str], tuple[Path, ...] | None] | None = getattr(data.load, "files_of", None)
    return None if known is None else known(name)


def _below(path: str, but: str | None) -> Iterator[bytes]:
    """A line of each file below a folder, or of the one file, in an order that does not vary; links are followed."""
    waiting, seen = [path], set()
    while waiting:
        place = waiting.pop()
        facts = os.stat(place)  # noqa: PTH116
        if not os.path.isdir(place):  # noqa: PTH112
            yield _line(place, facts)
        elif (facts.st_dev, facts.st_ino) not in seen and os.path.realpath(place) != but:
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    yield _line(entry.path, entry.stat())


def _line(path: str, facts: os.stat_result) -> bytes:
    return f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode("utf-8", "surrogateescape")

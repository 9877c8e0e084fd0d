"""Looks files up by the names that annotations give them. A file system may have a name in another Unicode form (an
accent is written in two ways), and one that tells capitals from small letters has what was named on one that does not:
such a file is found where it is the only one.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.files import is_file, is_folder

__all__ = ["Lookup", "find_image", "folded"]


@dataclass(frozen=True)
class _Names:
    """The names in a folder, and each by its folded form where no other has the same."""

    exact: frozenset[str]
    folded: Mapping[str, str]

    @staticmethod
    def of(names: Iterable[str]) -> _Names:
        exact = frozenset(names)
        counts = Counter(map(folded, exact))
        return _Names(exact, {key: name for name in exact if counts[key := folded(name)] == 1})


@dataclass(frozen=True)
class Lookup:
    """Files by their paths below folders; each folder is listed once, when it is first looked into."""

    _listed: dict[str, tuple[_Names, _Names]] = field(default_factory=dict)

    def find(self, root: str | Path, parts: Sequence[str], *, fold: bool = True) -> str | None:
        """The file at `parts` below a folder, or None.

        Arguments:
            fold: takes what differs in its Unicode form or in capitals alone where nothing has the very name.
        """
        place = str(root)
        for depth, part in enumerate(parts, 1):
            names = self._names(place)[depth < len(parts)]
            name = part if part in names.exact else names.folded.get(folded(part)) if fold else None
            if name is None:
                return None
            place = f"{place}/{name}"
        return place if parts else None

    def _names(self, folder: str) -> tuple[_Names, _Names]:
        """The files and the folders in a folder."""
        if folder not in self._listed:
            try:
                with os.scandir(folder) as entries:
                    found = list(entries)
            except OSError:
                found = []
            files = _Names.of(entry.name for entry in found if is_file(entry))
            self._listed[folder] = files, _Names.of(entry.name for entry in found if is_folder(entry))
        return self._listed[folder]


def folded(name: str) -> str:
    """A name in one Unicode form and small letters."""
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).casefold()


def find_image(names: Sequence[Any], roots: Sequence[Path], source: str, lookup: Lookup) -> Path | None:
    """The first that exists of `names` below `roots`, all roots tried for a name before the next; or None.

    Raises InputError, for the file `source`, for a name that is no text or leaves the folder.
    """
    paths = [_relative(name, source) for name in names]
    places = [(root, path.parts) for path in paths for root in roots]
    for fold in (False, True):
        for root, parts in places:
            file = lookup.find(root, parts, fold=fold)
            if file is not None:
                return Path(file)
    return None


def _relative(name: Any, source: str) -> PurePosixPath:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{source}: an image's file name must be text, got {name!r}")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive or "\0" in name:
        raise InputError(
            f"{source}: the file name {name!r} leaves the folder; expected a path below the data set's images/"
        )
    return path

"""One walk over the folders of a data set, links followed."""

from __future__ import annotations

import operator
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from labelmint.formats.files import is_folder

__all__ = ["folders_of", "passing_over"]

_HIDDEN = (".", "__MACOSX")  # how names begin that nobody gave
# Of file systems and of storage on a network: often closed, and never with data in them.
_OF_SYSTEMS = ("lost+found", "System Volume Information", "$RECYCLE.BIN", "#recycle", "#snapshot", "@eaDir")
_CLOSED: ContextVar[list[OSError] | None] = ContextVar("closed folders", default=None)


@contextmanager
def passing_over() -> Iterator[list[OSError]]:
    """A block in which folders that cannot be listed are collected, in the order of walks, and not raised."""
    closed: list[OSError] = []
    before = _CLOSED.set(closed)
    try:
        yield closed
    finally:
        _CLOSED.reset(before)


def folders_of(
    root: Path, wanted: Callable[[str], bool] = lambda below: True
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder at a root and below, by its path below it ("" for the root), with what lies in it in order of name;
    what is hidden is left out.

    No folder is entered twice, and none that holds the root. Links are followed last, so that a folder that lies below
    the root keeps its own path, whatever leads to it.

    Arguments:
        root: a folder; of one that is not there nothing is yielded.
        wanted: says by its path whether a folder below the root is entered.

    Raises OSError, after all others, for the first folder that cannot be listed, unless within `passing_over`.
    """
    if not root.is_dir():
        return
    entered = {_identity(above) for above in root.resolve().parents}
    folders, links = [""], deque[str]()
    failed: list[OSError] = []
    while folders or links:
        below = folders.pop() if folders else links.popleft()
        try:
            identity, entries = _identity(root / below), _listed(root / below)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failed.append(error)
            continue
        if identity in entered:
            continue
        entered.add(identity)
        yield below, entries
        inner = [
            (f"{below}/{one.name}" if below else one.name, one.is_symlink())
            for one in entries
            if is_folder(one) and one.name not in _OF_SYSTEMS
        ]
        links += (path for path, is_link in inner if is_link and wanted(path))
        folders += (path for path, is_link in reversed(inner) if not is_link and wanted(path))
    closed = _CLOSED.get()
    if closed is not None:
        closed += failed
    elif failed:
        raise failed[0]


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        shown = (one for one in entries if not one.name.startswith(_HIDDEN))
        return sorted(shown, key=operator.attrgetter("name"))

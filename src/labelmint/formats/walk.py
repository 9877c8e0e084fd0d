"""One walk over the folders of a data set, links followed."""

from __future__ import annotations

import operator
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from labelmint.formats.files import is_folder

__all__ = ["folders_of"]

_HIDDEN = (".", "__MACOSX")  # how names begin that nobody gave
_OF_SYSTEMS = ("lost+found", "System Volume Information")  # often closed, and never with data in them


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

    Raises OSError, after all others, for the first folder that cannot be listed.
    """
    if not root.is_dir():
        return
    entered = {_identity(above) for above in root.resolve().parents}
    folders, links = [""], deque[str]()
    failed: OSError | None = None
    while folders or links:
        below = folders.pop() if folders else links.popleft()
        try:
            identity, entries = _identity(root / below), _listed(root / below)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failed = failed or error
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
    if failed is not None:
        raise failed


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        shown = (one for one in entries if not one.name.startswith(_HIDDEN))
        return sorted(shown, key=operator.attrgetter("name"))

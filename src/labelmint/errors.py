"""The one error that people see: bad input, said in one line.

Raise `InputError` at the edges (files, command line, constructors) when the cause lies outside the program.
Its message is one sentence: what was wrong, in which file, what was expected, and the value or command that
mends it. The command line prints it and leaves with exit code 2; Python code catches it as a `ValueError`.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["InputError", "line_of_system", "named", "nearest", "printable"]

T = TypeVar("T")

_HINTS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EACCES: "permission denied; give a path that you may read and write",
    errno.EPERM: "permission denied; give a path that you may read and write",
    errno.EROFS: "the file system is read-only; give a path elsewhere",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, a file was expected",
    errno.EEXIST: "a file is in the way; give another path",
    errno.ENAMETOOLONG: "the name is too long",
}


class InputError(ValueError):
    """Bad input from outside: a file, an option, a value. The message is one line fit for the person who gave
    it.
    """


def printable(text: str) -> str:
    """Text with a space for each control character: names come from users' files, and a terminal would obey them."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def nearest(name: str, known: Iterable[str], likeness: float = 0.3) -> str | None:
    """The known name that is written most like this one, if any is at least as like, in [0, 1]."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)), None)


def named(kind: str, name: str, known: Mapping[str, T]) -> T:
    """What a name stands for; raises InputError that names the nearest and all known ones."""
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise InputError(f"there is no {kind} {name!r}; {hint}known: {', '.join(known)}")
    return known[name]


def line_of_system(error: OSError) -> str:
    """What the operating system refused, as one line for a person: the file, and what mends it."""
    reason = _HINTS.get(error.errno or 0, error.strerror or str(error))
    return f"{os.fspath(error.filename)!s}: {reason}" if error.filename is not None else reason

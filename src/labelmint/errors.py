"""The one error that people see: bad input, said in one line.

Raise `InputError` at the edges (files, command line, constructors) when the cause lies outside the program.
Its message is one sentence: what was wrong, in which file, what was expected, and the value or command that
mends it. The command line prints it and leaves with exit code 2; Python code catches it as a `ValueError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["InputError", "named", "nearest"]

T = TypeVar("T")


class InputError(ValueError):
    """Bad input from outside: a file, an option, a value. The message is one line fit for the person who gave
    it.
    """


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

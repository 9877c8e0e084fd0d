"""What every format carries, as one table of Markdown: made from the records, so that the documentation says what the
round-trip tests check.
"""

from __future__ import annotations

from collections.abc import Iterable

from labelmint.formats.format import KEPT, LOST, Carries, Format

__all__ = ["matrix"]

_KEPT, _LOST = "●", "–"


def matrix(formats: Iterable[Format]) -> str:
    """A table of formats that are written by features, the approximations in words below it, and those only read."""
    listed = list(formats)
    written = [one for one in listed if one.writes is not None]
    features = list(Carries().each())
    notes: dict[str, int] = {}
    rows = [
        f"| {one.name} | " + " | ".join(_cell(how, notes) for how in one.carries.each().values()) + " |"
        for one in written
    ]
    head = ["| format | " + " | ".join(features) + " |", "| --- |" + " :-: |" * len(features)]
    lines = [
        *head,
        *rows,
        "",
        f"{_KEPT} comes back as it was written; {_LOST} is lost, which is said with its count.",
    ]
    lines += ["", *(f"{number}. {how}" for how, number in notes.items())] if notes else []
    read_only = [one.name for one in listed if one.writes is None]
    if read_only:
        lines += ["", f"Only read: {', '.join(read_only)}."]
    return "\n".join(lines) + "\n"


def _cell(how: str, notes: dict[str, int]) -> str:
    """A sign, or the number of the note that says by how much the feature is approximated."""
    if how in (KEPT, LOST):
        return _KEPT if how == KEPT else _LOST
    return str(notes.setdefault(how, len(notes) + 1))

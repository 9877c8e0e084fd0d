"""How answers are printed: aligned text for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["filter_in_words", "print_json", "quoted", "table"]


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], indent: str = "  ") -> str:
    """Columns as wide as their longest cell; numbers to the right."""
    body = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in body]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    right = [bool(body) and all(isinstance(row[i], int | float) for row in body) for i in range(len(head))]
    lines = [
        indent
        + "  ".join(
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(head), *cells]
    ]
    return "\n".join(lines)


def quoted(path: Any) -> str:
    """A path as it can be typed into a shell."""
    import shlex

    return shlex.quote(str(path))


def _cell(value: Any) -> str:
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
    )


def filter_in_words(filtered: dict[str, Any] | None, moved: bool) -> str:
    """What a filter dropped, or why there was none, a line.

    Arguments:
        filtered: its settings and its outcome; None where it was off. moved: whether pairs are training pairs, moved.
    """
    if moved:
        return (
            "filter off: every pair is a training pair, moved; treat the set as you treat the training images"
        )
    if filtered is None:
        return (
            "filter off: no pair was dropped, and copies of training images were not looked for (needs "
            "`labelmint evaluate` first)"
        )
    dropped = filtered["dropped"]
    doubtful = f", {dropped['mostly doubtful']} as mostly doubtful" if filtered["mode"] == "ignore" else ""
    return (
        f"{filtered['drawn']} drawn, {dropped['disagrees']} dropped by the filter (agreement under "
        f"{filtered['threshold']:.2f}){doubtful}, "
        f"{dropped['near-copy']} withheld as near-copies"
    )

"""doubt.csv: how doubtful minted labels are, a line an image, the most doubtful first."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelmint.errors import InputError
from labelmint.storage import write_aside

__all__ = ["DOUBT", "Row", "read_rows", "write_rows"]

DOUBT = "doubt.csv"
_HEAD = ["name", "kept", "doubt", "refused"]


@dataclass(frozen=True)
class Row:
    """A line: the name of an image, the share of its pixels that have a label, its mean doubt, objects refused."""

    name: str
    kept: float
    doubt: float
    refused: int


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    """Write lines in their order."""
    with (
        write_aside(file) as aside,
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(_HEAD)
        lines.writerows([row.name, f"{row.kept:.6f}", f"{row.doubt:.6f}", row.refused] for row in rows)


def read_rows(file: Path) -> list[Row]:
    """The lines that `write_rows` wrote. Raises InputError for a file that is missing or holds something else."""
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            head, *lines = [*csv.reader(stream)] or [[]]
        if head != _HEAD:
            raise ValueError(head)
        rows = [Row(name, float(kept), float(doubt), int(refused)) for name, kept, doubt, refused in lines]
        if not all(math.isfinite(row.kept) and math.isfinite(row.doubt) for row in rows):
            raise ValueError("a number that is none")
        return rows
    except FileNotFoundError:
        raise InputError(f"{file}: is missing; give the folder that `labelmint label` wrote") from None
    except (ValueError, csv.Error):
        raise InputError(f"{file}: is damaged; run `labelmint label` again") from None

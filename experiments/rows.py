"""Rows of a table: figures, and images beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.common import write_json
from experiments.sheet import sheet

from labelmint.types import Array

__all__ = ["Rows"]


class Rows:
    """What is found, as NAME.json and NAME.png, written anew with every row.

    Arguments:
        path: OUT/NAME. about: what all rows have alike. tell: is given each row as a line.
    """

    def __init__(self, path: Path, about: dict[str, Any], tell: Callable[[str], None]) -> None:
        self._path, self._about, self._tell = path, about, tell
        self._rows: list[dict[str, Any]] = []
        self._cells: list[Sequence[Array]] = []
        self._titles: list[str] = []

    def show(self, titles: Sequence[str], images: Sequence[Sequence[Array]]) -> None:
        """Rows of images (H, W, C) under their titles."""
        self._titles += titles
        self._cells += images

    def add(self, figures: dict[str, Any], titles: Sequence[str], images: Sequence[Sequence[Array]]) -> None:
        """A row's figures, and what is shown of it."""
        shown = {
            key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()
        }
        self._tell(str(shown))
        self._rows.append(figures)
        self.show(titles, images)
        sheet(self._cells, self._path.with_suffix(".png"), rows=self._titles)
        write_json(self._path.with_suffix(".json"), {**self._about, "rows": self._rows})

"""The folder of a study: what is done stays done, so that a stopped study goes on and a larger one begins
where a smaller one ended.

    OUT/request.json                          what decides every cell; a study of other data or settings is
    refused
    OUT/cells/n-10/seed-0/pairs.json          names of the cell's training and validation pairs
                         /A.json, S-1-t0.85-on.json       a trained arm each; A.npz, S-....npz: what it reads,
                                                          for pictures
                         /run/                            the generator and its judge
                         /samples-t0.85-on-500/           500 of its pairs
                         /drawn-t0.85-on.json             what became of the candidates, or why there are no
                                                          pairs

The arms of a cell do not depend on which other numbers of pairs, seeds, ratios or ways of drawing are asked
for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from labelmint.errors import InputError
from labelmint.storage import write_json
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.plan import Cell, Way

__all__ = ["CellFolder", "Drawn", "Record", "arm_key", "claim"]

VERSION = 2
Stored = TypeVar("Stored", bound=BaseModel)


class Record(BaseModel):
    """A trained arm as stored: its result, how many synthetic pairs it could draw from, and seconds in all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    result: ArmResult
    samples: int | None
    seconds: float


class Drawn(BaseModel):
    """What became of a cell's samples.

    Attributes:
        seconds: that training the generator and drawing took. refused: why there are none.
        drawn, disagreeing, copies: candidates, and those that the filter dropped and withheld as near-copies;
            None without a filter.
        judge_dice: of the filter's judge on the cell's validation pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    refused: str = ""
    drawn: int | None = None
    disagreeing: int | None = None
    copies: int | None = None
    judge_dice: float | None = None


def arm_key(arm: Arm, way: Way | None) -> str:
    """A file name for an arm: "A", "S-1-t0.85-on"."""
    return arm.key if way is None else f"{arm.key}-{way.key}"


class CellFolder:
    """The files of one cell."""

    def __init__(self, study: Path, cell: Cell) -> None:
        self.cell, self.path = cell, study / cell.folder

    def arm(self, key: str) -> Record | None:
        """A trained arm, or None; raises InputError when its file is damaged."""
        return self._read(f"{key}.json", Record)

    def save_arm(self, key: str, record: Record) -> None:
        """Store it, whole or not at all."""
        self._write(f"{key}.json", record)

    def drawn(self, way: Way) -> Drawn | None:
        """What became of the samples of a way; None when none were drawn yet."""
        return self._read(f"drawn-{way.key}.json", Drawn)

    def save_drawn(self, way: Way, drawn: Drawn) -> None:
        """Store it."""
        self._write(f"drawn-{way.key}.json", drawn)

    def _read(self, name: str, kind: type[Stored]) -> Stored | None:
        file = self.path / name
        if not file.is_file():
            return None
        try:
            return kind.model_validate_json(file.read_text(encoding="utf-8"))
        except (ValidationError, ValueError):
            raise InputError(f"{file}: is damaged; remove it, and the same command makes it again") from None

    def _write(self, name: str, content: BaseModel) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / name, content.model_dump(mode="json"))


def claim(folder: Path, request: Mapping[str, Any]) -> None:
    """Mark a folder as this study's; raises InputError when it holds something else, or a study that differs
    in the request.
    """
    wanted = json.loads(json.dumps({"study": VERSION, **request}, default=str))
    file = folder / "request.json"
    if file.is_file():
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise InputError(f"{file}: is damaged; give another --out, or remove that folder") from None
        if not isinstance(before, dict) or "study" not in before:
            raise InputError(f"{folder}: holds something else than a study; give another --out")
        other = next((key for key in wanted if before.get(key) != wanted[key]), None)
        begun = any(path.name != "pairs.json" for path in (folder / "cells").rglob("*.*"))
        if other and begun:  # else the command before failed before it made anything
            known = {
                "data_sha256": "the data have changed",
                "study": "its arms were trained by another version of labelmint",
                "values": "its generators had other settings",
            }
            what = known.get(other, f"{other.replace('_', ' ')} differs")
            raise InputError(f"{folder}: holds another study ({what}); give another --out, or remove it")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is no study; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, wanted)

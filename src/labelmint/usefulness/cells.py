"""The folder of a study: what is done stays done, so that a stopped study goes on and a larger one begins
where a smaller one ended.

    OUT/request.json                          what decides every cell, and what decides arms with a pool or with
                                              synthetic pairs, once there are any; a study of other data or settings
                                              is refused
    OUT/cells/n-10/seed-0/pairs.json          names of the cell's n pairs, in its folds, and of those that
                                              validate beside them, if any
                         /A.json, S-1-t0.85-on.json       a trained arm each; A.npz, S-....npz: what it reads,
                                                          for pictures
                         /trials/                         trainings of an arm that is not done
                         /run/                            the generator and its judge
                         /samples-t0.85-on-500/           500 of its pairs
                         /given-away-t0.85-on-500.json    what these pairs give away
                         /teacher-8000/                   the ensemble that mints labels for the pool
                         /transfer/                       run and samples of arm TR
                         /drawn-t0.85-on.json             what became of the candidates, or why there are no
                                                          pairs

The arms of a cell do not depend on which other numbers of pairs, seeds, ratios or ways of drawing are asked
for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from labelmint.errors import InputError
from labelmint.storage import Held, check_claim, claim, read_mark, write_json
from labelmint.usefulness.arms import ALONE, Arm, ArmResult, arm_named
from labelmint.usefulness.plan import Cell, Way, way_of
from labelmint.usefulness.sharing import Shared

__all__ = [
    "GENERATORS_POOL",
    "INSTANCES",
    "CellFolder",
    "Claim",
    "Drawn",
    "Record",
    "arm_key",
    "claim_study",
    "refuse_other",
]

VERSION = 3
_MARK = "request.json"
_REASONS = {
    "data_sha256": "the data have changed",
    "instances_sha256": "the data have changed",
    "study": "its arms were trained by another version of labelmint, which read --n-train otherwise",
    "values": "its generators had other settings",
    "generators_unlabelled": "its generators learned from another pool, or from none",
}
# the pool that generators learned from, of a system that learns from pools
GENERATORS_POOL = "generators_unlabelled"
INSTANCES = "instances_sha256"  # of what tells the objects of the data apart
_OF_GENERATORS = ("S-", "S+ST", "Y-", "accuracy", "diversity", "run", "samples-", "drawn-")
_OF_POOL = ("ST", "FM", "TR", "S+ST", "teacher", "transfer")
_FORM = re.compile(r"(?P<name>S|S\+ST|accuracy|Y|diversity)(?:-(?P<ratio>[0-9.e+-]+))?-(?P<way>[a-z].*)")
Stored = TypeVar("Stored", bound=BaseModel)


@dataclass(frozen=True)
class Claim:
    """A part of a study's request that only some arms depend on.

    Attributes:
        values: what this call asks for; None where it trains no such arm, and what the folder has stands.
        keys: of the values. files: how the files of a cell begin that depend on them.
    """

    values: Mapping[str, Any] | None
    keys: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def of_generators(cls, values: Mapping[str, Any] | None) -> Claim:
        """What arms with synthetic pairs of the system, or given ones, depend on."""
        keys = (
            "system",
            "preset",
            "settings",
            "values",
            "generator_minutes",
            "synthetic",
            "judge",
            GENERATORS_POOL,
        )
        return cls(values, keys, _OF_GENERATORS)

    @classmethod
    def of_samples(cls, samples: int | None, asked: bool) -> Claim:
        """How many pairs any arm with synthetic ones draws from."""
        return cls({"samples": samples} if asked else None, ("samples",), (*_OF_GENERATORS, "TR", "transfer"))

    @classmethod
    def of_pool(cls, unlabelled: str | None) -> Claim:
        """What arms with a pool depend on."""
        return cls(None if unlabelled is None else {"unlabelled": unlabelled}, ("unlabelled",), _OF_POOL)


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

    def trained(self) -> list[tuple[Arm, Way | None]]:
        """The arms that are stored, in the order of their names; those without synthetic pairs of a system, or given
        ones, have no way.
        """
        alone: dict[str, tuple[Arm, Way | None]] = {
            arm_named(name).key: (arm_named(name), None) for name in ALONE
        }
        stems = [file.stem for file in sorted(self.path.glob("*.json"))]
        found = [alone[stem] for stem in stems if stem in alone]
        for one in filter(None, map(_FORM.fullmatch, stems)):
            arm, way = arm_named(one["name"], float(one["ratio"] or 1)), way_of(one["way"])
            found += [] if way is None else [(arm, way)]
        return found

    def drawn(self, way: Way) -> Drawn | None:
        """What became of the samples of a way; None when none were drawn yet."""
        return self._read(f"drawn-{way.key}.json", Drawn)

    def save_drawn(self, way: Way, drawn: Drawn) -> None:
        """Store it."""
        self._write(f"drawn-{way.key}.json", drawn)

    def shared(self, key: str) -> Shared | None:
        """What some samples give away; None where it was not measured."""
        return self._read(f"given-away-{key}.json", Shared)

    def save_shared(self, key: str, found: Shared) -> None:
        """Store it."""
        self._write(f"given-away-{key}.json", found)

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


def claim_study(folder: Path, request: Mapping[str, Any], claims: Sequence[Claim] = ()) -> None:
    """Mark a folder as this study's; raises InputError when it holds something else, or a study that differs
    in the request.

    Arguments:
        request: what decides every cell. claims: what decides some arms alone: it is decided once there is such an arm.
    """
    file = folder / _MARK
    before = read_mark(file)
    # Former versions had one pool for all, and did not look at instances.
    lacking = dict[str, Any]()
    if {"study", "system"} <= set(before) and GENERATORS_POOL not in before:
        lacking[GENERATORS_POOL] = before.get("unlabelled")
    if "study" in before and INSTANCES in request and INSTANCES not in before:
        lacking[INSTANCES] = request[INSTANCES]
    if lacking:
        before |= lacking
        write_json(file, before)
    names = {path.name for path in folder.glob("cells/*/*/*")}
    wanted, free = {"study": VERSION, **request}, dict[str, Any]()
    for one in claims:
        made = any(name.startswith(one.files) for name in names)
        if one.values is None:
            wanted |= {key: before[key] for key in one.keys if made and key in before}
        elif made:
            wanted |= one.values
        else:
            free |= one.values

    # what is free comes last: the first key that differs decides
    claim(folder, _MARK, "study", wanted | free, _held(folder, free))


def refuse_other(folder: Path) -> None:
    """Raise InputError for a folder that holds something else than a study of this version: nothing may be written
    there, a cache neither.
    """
    check_claim(folder, _MARK, "study", {"study": VERSION}, _held(folder))


def _held(folder: Path, free: Collection[str] = ()) -> Held:
    """What a folder holds that another mark would belie.

    Arguments:
        free: keys that decide nothing that is there.
    """

    def held(key: str, before: Mapping[str, Any]) -> str | None:
        if "study" not in before:
            return "something else than a study"
        reason = _REASONS.get(key, f"{key.replace('_', ' ')} differs")
        begun = key not in free and any(path.name != "pairs.json" for path in (folder / "cells").rglob("*.*"))
        return f"another study ({reason})" if begun else None

    return held

"""Damaged files of every format end in one clear line, or in a data set whose pairs load or are refused so."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from experiments.fuzz import CLEAN, Outcome, fuzz, try_one
from experiments.small_sets import ALONE, SETS, small_set

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read

A_FEW, MANY = 20, 1000


@pytest.mark.parametrize("format", SETS)
def test_damaged_sets_are_read_or_refused_in_one_line(format: str, tmp_path: Path) -> None:
    small_set(format, tmp_path / "base")
    for number in range(A_FEW):
        outcome = try_one(format, number, 0, tmp_path / "base", tmp_path / "scratch")
        assert outcome.kind in CLEAN, (number, outcome)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", SETS)
def test_many_damaged_sets_in_children_of_their_own(format: str, tmp_path: Path) -> None:
    faults = [(n, o) for n, o in fuzz(format, range(MANY), 0, 2, tmp_path) if o.kind not in CLEAN]
    assert not faults, faults[:3]


@pytest.mark.parametrize("name", SETS)
def test_sets_are_whole_before_they_are_damaged(name: str, tmp_path: Path) -> None:
    small_set(name, tmp_path / "set")
    data = read(tmp_path / "set", strict=False, alone=name in ALONE)
    assert data.format == SETS[name] and len(list(data)) >= 2
    assert {one.kind for one in data.findings} <= {"several formats", "over the border"}


def test_every_native_format_has_a_set() -> None:
    assert {*FORMATS} - {*SETS.values()} == {"datumaro"}


def test_faults_are_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that fails, writes, ends its process or takes too long is found out, and the input is kept."""

    def reader(path: Path, format: str | None, strict: bool, alone: bool) -> None:
        number = int((path / "number").read_text())
        if number == 0:
            raise KeyError("categories")
        if number == 1:
            (path.parent / "written").touch()
            raise InputError("one line")
        if number == 2:
            raise InputError("two\nlines")
        if number == 3:
            bytearray(1 << 34)
        if number == 4:
            os._exit(7)
        if number == 5:
            os.kill(os.getpid(), signal.SIGXCPU)  # as the system does to who computes for too long
        raise InputError("one line")

    tried = multiprocessing.get_context("fork").Value("i", 0)  # by all children

    def damage(folder: Path, rng: object) -> str:
        (folder / "number").write_text(str(tried.value))
        tried.value += 1
        return "a number"

    monkeypatch.setattr("experiments.fuzz.read", reader)
    monkeypatch.setattr("experiments.fuzz.damage", damage)
    found: dict[int, Outcome] = dict(fuzz("coco", range(7), 0, 1, tmp_path / "kept"))
    assert [found[n].kind for n in range(7)] == [
        "KeyError",
        "written outside",
        "several lines",
        "MemoryError",
        "died",
        "took too long",
        "refused",
    ]
    assert (tmp_path / "kept" / "coco-0" / "set" / "number").is_file()
    assert "KeyError" in (tmp_path / "kept" / "coco-0" / "outcome.txt").read_text()


def test_damage_is_the_same_for_the_same_number(tmp_path: Path) -> None:
    small_set("coco", tmp_path / "base")
    first, second = (
        [try_one("coco", n, 3, tmp_path / "base", tmp_path / f"s{i}").damage for n in range(6)]
        for i in range(2)
    )
    assert first == second and len(set(first)) > 3

"""Minted labels that are checked: what is decided outlives the studio, and what is accepted is a set to read again."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studio.minted_labels import SIDE, disk, write_minted

import labelmint
from labelmint import formats
from labelmint.errors import InputError
from labelmint.pool.doubtful import DOUBT, read_rows
from labelmint.studio.checked import write_checked
from labelmint.studio.checking import ACCEPTED, CORRECTED, LEFT, SENT_BACK, Checking, open_checking
from labelmint.types import Array


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_minted(tmp_path / "minted")


def painted(checking: Checking, place: int) -> tuple[Array, Array]:
    """A label with another object in a corner."""
    layout = checking.minted(place).layout
    assert layout.instances is not None
    ids, objects = layout.label_map.copy(), layout.instances.copy()
    ids[:3, :3], objects[:3, :3] = 1, 9
    return ids, objects


def states(checking: Checking) -> dict[str, str]:
    return {line.name: line.state for line in checking.lines}


def test_the_most_doubtful_come_first_and_those_of_unknown_doubt_last(labels: Path) -> None:
    text = (labels / "doubt.csv").read_text(encoding="utf-8").splitlines()
    (labels / "doubt.csv").write_text("\n".join([*text[:-1], "gone,0.1,0.9,0"]) + "\n", encoding="utf-8")
    checking = open_checking(labels)
    assert [line.name for line in checking.lines] == ["p2", "p0", "p3", "p1"]
    assert [line.doubt is None for line in checking.lines] == [False, False, False, True]
    assert checking.counts == {ACCEPTED: 0, CORRECTED: 0, SENT_BACK: 0, LEFT: 4}


def test_the_names_are_gone_through_equally_often_however_many_lines_doubt_has(labels: Path) -> None:
    """For each line anew, 50,000 labels took two minutes to open."""
    looks = 0

    class Names(tuple[str, ...]):
        def __iter__(self) -> Iterator[str]:
            nonlocal looks
            looks += 1
            return super().__iter__()

    read = formats.read(labels)
    data, rows, found = (
        dataclasses.replace(read, names=Names(read.names)),
        read_rows(labels / DOUBT),
        list[int](),
    )
    for times in (1, 10):
        looks = 0
        Checking(data, rows * times, labels.with_name("checked"))
        found.append(looks)
    assert found[0] == found[1]


def test_what_is_decided_outlives_the_studio(labels: Path) -> None:
    checking = open_checking(labels)
    assert not checking.progress.exists()
    checking.decide(0, ACCEPTED)
    ids, objects = painted(checking, 1)
    checking.correct(1, ids, objects)
    checking.decide(2, SENT_BACK)
    for one in (checking, open_checking(labels)):
        assert states(one) == {"p2": ACCEPTED, "p0": CORRECTED, "p3": SENT_BACK, "p1": LEFT}
        layout = one.pair(1).layout
        assert np.array_equal(layout.label_map, ids)
        assert layout.instances is not None
        assert np.array_equal(layout.instances, objects)
        assert np.array_equal(one.minted(1).layout.label_map, disk(0)[1])


def test_a_correction_stays_until_it_is_taken_back(labels: Path) -> None:
    checking = open_checking(labels)
    checking.correct(0, *painted(checking, 0))
    checking.decide(0, SENT_BACK)
    assert checking.lines[0].state == SENT_BACK
    checking.decide(0, ACCEPTED)
    assert checking.lines[0].state == CORRECTED
    checking.revert(0)
    assert checking.lines[0].state == LEFT
    assert np.array_equal(checking.pair(0).layout.label_map, checking.minted(0).layout.label_map)


def test_a_label_that_nothing_was_changed_of_is_accepted_as_it_was_minted(labels: Path) -> None:
    checking = open_checking(labels)
    layout = checking.minted(0).layout
    checking.correct(0, layout.label_map.astype(np.uint16), layout.instances)
    assert checking.lines[0].state == ACCEPTED


def test_bad_corrections_and_places_are_refused(labels: Path) -> None:
    checking = open_checking(labels)
    ids, objects = painted(checking, 0)
    for wrong, said in (
        ((ids[1:], objects[1:]), f"a label of {SIDE}x{SIDE} pixels"),
        ((np.full_like(ids, 7), objects), "7 is the id of no class; known: 0, 1, 255"),
    ):
        with pytest.raises(InputError, match=said):
            checking.correct(0, *wrong)
    with pytest.raises(InputError, match="place: expected 0 to 3, got 4"):
        checking.decide(4, ACCEPTED)
    with pytest.raises(InputError, match="got 'corrected'"):
        checking.decide(0, CORRECTED)
    assert set(states(checking).values()) == {LEFT}


def test_progress_of_other_labels_is_refused(labels: Path, tmp_path: Path) -> None:
    open_checking(labels).decide(0, ACCEPTED)
    write_minted(tmp_path / "other", first=20)
    with pytest.raises(
        InputError, match=r"minted-checked-progress: is of other labels, .*minted; give another"
    ):
        open_checking(tmp_path / "other", tmp_path / "minted-checked")
    with pytest.raises(InputError, match="lies inside of the labels"):
        open_checking(labels, labels / "checked")
    with pytest.raises(InputError, match=r"doubt\.csv: is missing; give the folder"):
        open_checking(tmp_path)


def test_a_lost_correction_is_told_and_left_to_check(labels: Path) -> None:
    checking = open_checking(labels)
    checking.correct(0, *painted(checking, 0))
    (file,) = checking.progress.glob("*.npz")
    file.write_bytes(b"PK")
    with pytest.raises(InputError, match="the correction of 'p2' is gone"):
        checking.pair(0)
    file.unlink()
    again = open_checking(labels)
    assert (again.lines[0].state, again.told) == (
        LEFT,
        ["the correction of 'p2' is gone, so its label is left to check"],
    )


@pytest.mark.parametrize("format", ["folder", "yolo"])
def test_what_was_accepted_is_a_set_to_read_again(labels: Path, format: str) -> None:
    checking = open_checking(labels)
    with pytest.raises(InputError, match="nothing was accepted yet"):
        write_checked(checking, format)
    checking.decide(0, ACCEPTED)
    ids, objects = painted(checking, 1)
    checking.correct(1, ids, objects)
    checking.decide(2, SENT_BACK)
    lost = write_checked(checking, format)
    assert bool(lost) == (format == "yolo")  # which has no "ignore"
    data = labelmint.read(checking.out)
    assert (data.format, set(data.names)) == (format, {"p0", "p2"})
    read = data.load("p0").layout.label_map
    assert np.array_equal(read == 1, ids == 1)
    if format == "folder":
        assert np.array_equal(read, ids)
        for name in data.names:
            file = Path("images") / f"{name}.png"
            assert (checking.out / file).read_bytes() == (labels / file).read_bytes()
    with (checking.out / "labels.csv").open(encoding="utf-8") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert rows["p2"]["label"] == "minted, accepted by hand"
    assert rows["p0"]["label"] == "minted, corrected by hand"
    assert float(rows["p0"]["changed"]) == pytest.approx(9 / SIDE**2, abs=1e-6)
    assert (checking.out / "sent_back.txt").read_text(encoding="utf-8") == "p3\n"
    facts = json.loads((checking.out / "settings.json").read_text(encoding="utf-8"))
    told = {name: facts[name] for name in ("accepted", "corrected", "sent_back", "left")}
    assert told == {"accepted": 1, "corrected": 1, "sent_back": 1, "left": 1}
    assert "Corrected by hand: 1." in (checking.out / "README.md").read_text(encoding="utf-8")


def test_an_export_replaces_that_of_the_same_labels_alone(labels: Path, tmp_path: Path) -> None:
    checking = open_checking(labels)
    checking.decide(0, ACCEPTED)
    write_checked(checking)
    checking.decide(1, ACCEPTED)
    write_checked(open_checking(labels))  # after a restart
    assert len(labelmint.read(checking.out)) == 2
    taken = tmp_path / "taken"
    other = open_checking(labels, taken)
    other.decide(0, ACCEPTED)
    taken.mkdir()
    (taken / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        write_checked(other)
    assert [path.name for path in taken.iterdir()] == ["settings.json"]
    with pytest.raises(InputError, match="exists already"):  # before anybody checks a label
        open_checking(labels, taken)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="exists already"):
        open_checking(labels, file)


def test_a_full_disk_leaves_what_was_there(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checking = open_checking(labels)
    checking.decide(0, ACCEPTED)
    write_checked(checking)
    checking.decide(1, ACCEPTED)

    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("labelmint.studio.checked.write_json", full)
    monkeypatch.setattr("labelmint.studio.checking.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        write_checked(checking)
    with pytest.raises(OSError, match="No space left"):
        checking.decide(2, ACCEPTED)
    with pytest.raises(OSError, match="No space left"):
        checking.correct(3, np.ones((SIDE, SIDE), np.uint8), np.ones((SIDE, SIDE), np.uint8))
    with pytest.raises(OSError, match="No space left"):
        checking.revert(0)
    assert [line.state for line in checking.lines] == [ACCEPTED, ACCEPTED, LEFT, LEFT]
    assert len(labelmint.read(checking.out)) == 1
    assert {path.name for path in labels.parent.iterdir()} == {
        "minted",
        "minted-checked",
        "minted-checked-progress",
    }

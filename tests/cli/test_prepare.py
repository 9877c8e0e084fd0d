"""`labelmint datasets prepare`: written whole with its split, the same twice, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.datasets.originals import brats, cityscapes, gta5, malaria

import labelmint
from labelmint.datasets.prepared import held_out

SETS = {
    "malaria": (malaria, ["--keep-cells", "--all", "-n", "4"], 6),
    "brats": (brats, [], 12),
    "cityscapes": (cityscapes, ["--size", "4x8"], 4),
    "gta5": (gta5, ["--size", "4x8"], 5),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_written_with_its_split(command: Any, tmp_path: Path, name: str) -> None:
    make, options, pairs = SETS[name]
    source, out, again = make(tmp_path / "source"), tmp_path / "out", tmp_path / "again"
    answer = command("datasets", "prepare", name, "--source", source, "--out", out, *options, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["pairs"] == answer.json["train"] + answer.json["test"] == pairs
    data = labelmint.read(out)
    assert len(data) == pairs
    assert data.train is not None and data.test is not None
    assert sorted([*data.train, *data.test]) == list(data.names)
    assert all(pair.layout.size == pair.image.shape[:2] for pair in data)
    assert f"{name} " in answer.err  # progress
    answer = command("datasets", "prepare", name, "--source", source, "--out", again, *options)
    assert (
        f"labelmint inspect {again} --group-by "
        f"'{json.loads((out / 'prepared.json').read_text())['group_by']}'" in answer.out
    )
    assert contents(again) == contents(out)
    hint = next(line for line in answer.out.splitlines() if line.startswith("next: "))
    group = hint.rpartition(" ")[2].strip("'")
    looked = command("inspect", out, "--group-by", group, "--json")
    assert looked.code == 0, looked.err


def test_what_fails_or_is_stopped_leaves_nothing(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = brats(tmp_path / "source", 3)
    last = sorted(source.rglob("*_seg.nii.gz"), key=lambda file: file.name)[-1]
    last.write_bytes(b"no volume")
    before = contents(tmp_path)
    words = ["datasets", "prepare", "brats", "--source", source, "--out", tmp_path / "out"]
    answer = command(*words)
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith(f"labelmint: error: {last}: not a readable NIfTI file")
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labelmint.datasets.brats._labels", stop)
    last.unlink()
    brats(source, 3)
    answer = command(*words)
    assert answer.code == 130
    assert answer.err.splitlines()[-1] == "labelmint: stopped; nothing was written"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]


def test_bad_words_are_refused_in_one_line(command: Any, tmp_path: Path) -> None:
    source = malaria(tmp_path / "source")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    for words, said in (
        (["ade20k", "--source", source, "--out", tmp_path / "out"], "No such command 'ade20k'"),
        (["malaria", "--source", tmp_path / "nothing", "--out", tmp_path / "out"], "no such folder"),
        (["malaria", "--source", source, "--out", taken], "exists already and is not an empty folder"),
        (["malaria", "--source", source, "--out", tmp_path / "out", "-n", 0], "'-n'"),
        (["brats", "--source", source, "--out", tmp_path / "out"], "no patients found"),
        (
            ["brats", "--source", source, "--out", tmp_path / "out", "--modes", "x"],
            "--modes x: expected apart or together",
        ),
        (["cityscapes", "--source", source, "--out", tmp_path / "out"], "no leftImg8bit/train"),
        (
            ["cityscapes", "--source", source, "--out", tmp_path / "out", "--size", "4x"],
            "expected HEIGHTxWIDTH",
        ),
        (["malaria", "--source", source], "Missing option '--out'"),
    ):
        answer = command("datasets", "prepare", *words)
        assert answer.code == 2
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_nothing_left_is_said(command: Any, tmp_path: Path) -> None:
    source = malaria(tmp_path / "source")
    for part in ("training", "test"):
        items = json.loads((source / f"{part}.json").read_text())
        (source / f"{part}.json").write_text(json.dumps([{**item, "objects": []} for item in items]))
    answer = command("datasets", "prepare", "malaria", "--source", source, "--out", tmp_path / "out")
    assert answer.code == 2
    assert f"{source}: nothing is left of it" in answer.err


def test_a_tenth_of_the_groups_is_held_out() -> None:
    groups = [f"patient{i}" for i in range(300)]
    chosen = held_out(groups)
    assert 15 <= len(chosen) <= 45
    assert held_out(groups[:150]) == chosen & set(groups[:150])
    assert held_out([]) == held_out(["a"]) == frozenset()
    assert len(held_out(["a", "b"])) == 1


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }

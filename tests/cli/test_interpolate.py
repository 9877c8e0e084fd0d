"""`labelmint interpolate` on the command line: what it tells, and what it refuses in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import digits, untrained

from labelmint.runs.trained import TrainedSystem


@pytest.fixture
def run(trained: TrainedSystem, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of spade, as the command loads it."""
    system = untrained(trained, "spade")
    monkeypatch.setattr("labelmint.runs.trained.load", lambda path, **more: system)
    monkeypatch.setattr("labelmint.movies.publish.draw_smoothness", lambda shown, path: path.touch())
    return tiny_run


def test_a_movie_is_told_with_its_smoothness(
    run: Path, command: Any, digits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "movie.gif"
    words = ["interpolate", run, "--layouts", digits_folder, "--frames", 3, "--batch-size", 3, "--to-seed", 4]
    answer = command(*words, "--out", out, "--name", "digits_000001")
    assert answer.code == 0, answer.err
    first, second, third = answer.out.splitlines()
    assert (
        first == f"wrote {out}: 3 frames of the layout 'digits_000001' from the code of seed 0 to that of 4"
    )
    assert "levels; under a fresh code each by" in second
    assert third == f"look at {out}.smoothness.png"
    assert "frames 3/3" in answer.err
    pair = digits()[0]
    shown = digits().classes.name_of(int(np.unique(pair.layout.label_map)[1]))
    moved = ("--name", pair.name, "--move", shown, "--by", "4,-2", "--zoom", 0.5, "--json")
    found = command(*words, "--out", tmp_path / "moved", *moved)
    assert found.code == 0, found.err
    assert (found.json["kind"], found.json["by"], found.json["to_seed"]) == ("moved", [4.0, -2.0], 4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "OUT.avi"), "expected a name that ends in .gif"),
        (("--out", "IN.png"), "lies inside of"),
        (("--out", "OUT.gif", "--by", "3"), "--by 3: expected DX,DY"),
        (("--out", "OUT.gif", "--by", "a,b"), "--by a,b: expected numbers"),
        (("--out", "OUT.gif", "--fps", "1000"), "--fps 1000: expected 1 to 60"),
        (("--out", "OUT.gif", "--sequence", "DATA"), "--layouts: does not go with --sequence"),
        (("--out", "OUT.gif", "--from-seed", "-1"), "'--from-seed'"),
        (("--out", "OUT.gif", "--name", "nobody"), "has no such layout"),
        (("--out", "OUT.gif", "--batch-size", "many"), "--batch-size many"),
        (("--out", "OUT.gif", "--dial", "temperature=1"), "spade has no temperature"),
        (("--out", "OUT.gif", "--format-in", "coco"), "coco"),
        ((), "Missing option '--out'"),
    ],
)
def test_bad_words_are_refused_in_one_line(
    words: tuple[str, ...], said: str, run: Path, command: Any, digits_folder: Path, tmp_path: Path
) -> None:
    places = {
        "OUT.avi": tmp_path / "a.avi",
        "OUT.gif": tmp_path / "a.gif",
        "IN.png": digits_folder / "images" / "a.png",
        "DATA": digits_folder,
    }
    answer = command(
        "interpolate", run, "--layouts", digits_folder, *(places.get(word, word) for word in words)
    )
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not any(tmp_path.iterdir())

"""`labelmint datasets make clevr-64` and `clevr-192`: rendered sets from the command line, stopped and gone
on with.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import labelmint

pytest.importorskip("mitsuba")


@pytest.mark.parametrize("kind", ["clevr-64", "clevr-192"])
def test_a_rendered_set_is_written_with_its_scenes(command: Any, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "set"
    words = (
        "datasets",
        "make",
        kind,
        "-n",
        3,
        "--size",
        "32x32",
        "--samples",
        2,
        "--processes",
        1,
        "--out",
        out,
    )
    answer = command(*words, "--json")
    assert answer.json == {"out": str(out), "pairs": 3, "format": "folder"}
    assert "images 3/3" in answer.err
    data = labelmint.read(out)
    assert (len(data), len(data.classes), data[0].image.shape) == (3, 25, (32, 32, 3))
    scene = json.loads((out / "scenes" / f"{data.names[0]}.json").read_text())
    assert len(scene["objects"]) == len(data[0].layout.objects)
    again = command(*words)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "not an empty folder" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-n", 1), "at least 2"),
        (("-n", 4, "--size", "8x8"), "--size 8"),
        (("-n", 4, "--size", "wide"), "expected HEIGHTxWIDTH"),
        (("-n", 4, "--samples", 0), "--samples"),
        (("-n", 4, "--processes", 0), "--processes"),
    ],
)
def test_bad_numbers_get_a_line_and_write_nothing(
    command: Any, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    answer = command("datasets", "make", "clevr-64", *words, "--out", tmp_path / "set")
    assert answer.code == 2
    assert said in answer.err
    assert not list(tmp_path.iterdir())


def test_a_recipe_that_is_damaged_is_refused(command: Any, tmp_path: Path) -> None:
    partial = tmp_path / "set.partial"
    partial.mkdir()
    (partial / "recipe.json").write_text("{")
    answer = command("datasets", "make", "clevr-64", "-n", 2, "--out", tmp_path / "set")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "recipe.json" in answer.err

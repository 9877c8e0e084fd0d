"""The verb `describe`: what it prints and writes, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def run(run_of: Callable[[str], Path]) -> Path:
    """A run that draws boxes."""
    return run_of("boxes")


def test_it_says_what_was_understood_and_draws_it(command: Command, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "names.json"
    file.write_text('{"three": "3"}')
    out = tmp_path / "out"
    answer = command("describe", run, "two threes, no class 5", "-n", 3, "--out", out, "--synonyms", file)
    assert answer.code == 0, answer.err
    assert "exactly 2 class 3" in answer.out
    assert "3 of 3 layouts meet all of it" in answer.out
    assert f"--synonyms {file}" in answer.out
    assert f"next: labelmint synthesize RUN --layouts-from {run} --out DIR" in answer.out, (
        "boxes draws no images"
    )
    assert (out / "layouts.png").is_file()
    content = json.loads((out / "layouts.json").read_text(encoding="utf-8"))
    for layout in content["layouts"]:
        assert sum(one["class"] == "3" for one in layout["objects"]) == 2
        assert not any(one["class"] == "5" for one in layout["objects"])


def test_as_json_without_a_folder(command: Command, run: Path) -> None:
    found = command("describe", run, "a class 3 on the left", "-n", 2, "--json").json
    assert found["wishes"] == [{"wish": "exactly 1 class 3 on the left", "met": 2, "of": 2}]
    assert found["candidates"] == [1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{run}", "two dragons"), "dragons"),
        (("{run}", ""), "empty"),
        (("{run}", "a class 3 and no class 3"), "class 3"),
        (("{run}", "forty class 3"), "at most"),
        (("{run}", "a class 3", "-n", "0"), "at least 1"),
        (("{run}", "a class 3", "--out", "{run}"), "empty"),
        (("{run}", "a class 3", "--synonyms", "{nowhere}"), "synonyms"),
        (("{run}", "a class 3", "--layout-temperature", "-1"), "layout-temperature"),
        (("{run}", "a class 3", "--seed", "-1"), "seed"),
        (("{nowhere}", "a class 3"), "nowhere"),
        (("{data}", "a class 3"), "not a run folder"),
    ],
)
def test_bad_input_ends_in_one_line(
    words: tuple[str, ...], message: str, command: Command, run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    places = {"run": run, "nowhere": tmp_path / "nowhere", "data": digits_folder}
    answer = command("describe", *(word.format(**places) for word in words))
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not list(tmp_path.iterdir())

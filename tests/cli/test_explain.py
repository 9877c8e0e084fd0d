"""The verb `explain`: what it prints and writes, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.mark.slow
def test_it_prints_a_summary_and_says_where_the_pictures_are(
    command: Command, tiny_run: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    name = (digits_folder / "test.txt").read_text(encoding="utf-8").split()[0]
    words = (
        "explain",
        tiny_run,
        digits_folder,
        "--out",
        out,
        "--skip-twin",
        "--pixel",
        "3,4",
        "--pixel",
        "20, 8",
        "--show",
        name,
    )
    answer = command(*words)
    assert answer.code == 0, answer.err
    assert "attention path alone" in answer.out
    assert "left out, comparison" in answer.out
    assert str(out / "paths.png") in answer.out
    # once more as JSON; that it says the same again is tested with the function
    stored = json.loads((out / "explain.json").read_text(encoding="utf-8"))
    monkeypatch.setattr("labelmint.explanation.explain.explain", lambda *words, **more: stored)
    again = command(*words, "--json")
    assert again.code == 0, again.err
    assert again.json["paths"]["shown"] == [name]
    assert [(p["image"], p["row"], p["column"]) for p in again.json["attention"]["pixels"]] == [
        (name, 3, 4),
        (name, 20, 8),
    ]


@pytest.fixture(scope="module")
def places(tiny_run: Path, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What may be named in a command. To be read only."""
    folder = tmp_path_factory.mktemp("places")
    untested, changed = (
        Path(shutil.copytree(digits_folder, folder / name)) for name in ("untested", "changed")
    )
    (untested / "test.txt").unlink()
    test = set((changed / "test.txt").read_text(encoding="utf-8").split())
    one, other = sorted(path for path in (changed / "images").iterdir() if path.stem not in test)[:2]
    shutil.copy(one, other)
    halfway = Path(shutil.copytree(tiny_run, folder / "halfway"))
    shutil.rmtree(halfway / "tokenizer")
    return {
        "run": tiny_run,
        "data": digits_folder,
        "nowhere": folder / "nowhere",
        "untested": untested,
        "changed": changed,
        "halfway": halfway,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{nowhere}", "{data}"), "nowhere"),
        (("{run}", "{nowhere}"), "nowhere"),
        (("{data}", "{data}"), "not a run folder"),
        (("{run}", "{untested}"), "no test part"),
        (("{run}", "{changed}"), "not those that"),
        (("{run}", "{data}", "--pixel", "3"), "ROW,COLUMN"),
        (("{run}", "{data}", "--pixel", "3,99"), "lies outside"),
        (("{run}", "{data}", "--show", "nobody"), "no name of the test part"),
        (
            ("{run}", "{data}", "--show", "somebody", "--show", "nobody"),
            "nobody, somebody: are no names of the test part",
        ),
        (
            ("{run}", "{data}", *(word for i in range(13) for word in ("--show", f"name_{i}"))),
            "have room for 12",
        ),
        (("{run}", "{data}", "--seeds", 0), "expected 1 to"),
        (("{run}", "{data}", "--steps", 0), "at least 1"),
        (("{run}", "{data}", "--skip-twin", "--steps", 5), "trains none"),
        (("{run}", "{data}", "--skip-twin", "--against", "{run}"), "leave out one"),
        (("{run}", "{data}", "--against", "{run}"), "as many paths"),
        (("{run}", "{data}", "--against", "{nowhere}"), "nowhere"),
        (("{run}", "{data}", "--device", "cuda:7"), "cuda:7"),
        (("{halfway}", "{data}"), "not finished"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    command: Command, places: dict[str, Path], tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    answer = command("explain", *(str(word).format(**places) for word in words), "--out", tmp_path / "out")
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert len([line for line in answer.err.splitlines() if "error" in line.lower()]) == 1
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_left_alone(
    command: Command, tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    answer = command("explain", tiny_run, digits_folder, "--out", out, "--skip-twin")
    assert answer.code == 2
    assert "is no explanation" in answer.err
    assert [path.name for path in out.iterdir()] == ["letter.txt"]
    (out / "letter.txt").unlink()
    (out / "request.json").write_text('{"explanation": 1, "weights": "others"}')
    answer = command("explain", tiny_run, digits_folder, "--out", out, "--skip-twin")
    assert answer.code == 2
    assert "another run" in answer.err

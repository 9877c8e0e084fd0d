"""What layouts lose without anything learned: figures of the label map and of patterns, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiments.label_fidelity import main
from PIL import Image


def test_more_patterns_and_finer_cells_lose_less(tiny_run: Path, digits_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    words = [
        "--run",
        tiny_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--n",
        12,
        "--cell",
        2,
        4,
        "--patterns",
        32,
        256,
    ]
    assert main([*map(str, words)], said.append) == 0
    found = json.loads((tmp_path / "label_fidelity.json").read_text())
    assert found["n"] == 12
    rows = {(row["tokens"], row["cell"]): row for row in found["rows"]}
    names = ("one symbol", "32 patterns", "256 patterns")
    assert list(rows) == [(name, cell) for cell in (2, 4) for name in names]
    for cell in (2, 4):
        misread = [rows[name, cell]["misread"] for name in names]
        assert misread[0] > misread[1] > misread[2]
    assert all(rows[name, 2]["misread"] < rows[name, 4]["misread"] for name in names)
    assert rows["256 patterns", 4]["boundaries"] < 0.5 * rows["one symbol", 4]["boundaries"]
    assert len(said) == len(rows)
    with Image.open(tmp_path / "label_fidelity.png") as picture:
        assert picture.height > 7 * 64


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--cell", "3"], "--cell 3: must divide"),
        (["--cell", "0"], "--cell 0: must divide"),
        (["--patterns", "2"], "give as many or more"),
        (["--n", "0"], "expected at least 1"),
    ],
)
def test_bad_input_is_one_line(
    tiny_run: Path,
    digits_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    given = ["--run", tiny_run, "--data", digits_folder, "--out", tmp_path / "out", *words]
    assert main([*map(str, given)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()

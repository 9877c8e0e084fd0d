"""What the scripts share, without training anything: real pairs of a run, sheets, options and refusals."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from experiments.common import (
    add_common,
    answer,
    at_least,
    dice_by_class,
    open_real,
    plain,
    run_pairs,
    write_json,
)
from experiments.sheet import sheet
from PIL import Image

import labelmint
from labelmint.errors import InputError
from labelmint.progress import Event


def test_real_pairs_of_a_run_are_those_that_it_saw(tiny_run: Path, digits_folder: Path) -> None:
    data = labelmint.read(digits_folder)
    real = open_real(tiny_run, data, device="cpu", at_most=8)
    assert (len(real.training), len(real.test)) == (8, 8)
    assert real.channels == 1
    assert real.foreground == tuple(range(1, 11))
    assert real.real.images.shape[1:] == (32, 32, 1)
    names = real.about.parts.training[:4]
    saw = real.system.pairs_of(data.subset(names)).fixed(0, 4)
    assert run_pairs(real, names, augment=False).fixed(0, 4).image.equal(saw.image)
    with pytest.raises(InputError, match="is no run"):
        open_real(digits_folder, data)


def test_sheets_and_json_are_written_whole(tmp_path: Path) -> None:
    cells = [[np.full((8, 8, channels), 90, np.uint8) for channels in (1, 3)] for _ in range(2)]
    drawn = sheet(
        cells, tmp_path / "sheet.png", columns=("one", "two\nlines"), rows=("a", "b"), marks=(True, False)
    )
    with Image.open(tmp_path / "sheet.png") as picture:
        assert np.array_equal(np.asarray(picture), drawn)
    write_json(tmp_path / "found.json", {"n": 1})
    assert json.loads((tmp_path / "found.json").read_text()) == {"n": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"sheet.png", "found.json"}


def test_options_progress_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_common(parser)
    found = parser.parse_args(["--run", "r", "--data", "d", "--out", str(tmp_path)])
    assert (found.judge_steps, found.temperature, found.at_most) == (800, 0.85, 5000)
    assert answer(lambda: at_least(1, judge_steps=0)) == 2
    assert capsys.readouterr().err == "error: --judge-steps 0: expected at least 1\n"
    assert answer(lambda: at_least(1, judge_steps=1)) == 0
    said: list[str] = []
    for step in range(9):
        plain(said.append)(Event("judge", step, 8))
    assert "  judge 8/8" in said
    counts = np.zeros((2, 3, 3))
    counts[0, 1, 1], counts[1, 1, 0] = 6, 2
    assert dice_by_class(counts, (1, 2)) == pytest.approx(2 * 6 / (2 * 6 + 2))
    assert dice_by_class(counts, (2,)) is None

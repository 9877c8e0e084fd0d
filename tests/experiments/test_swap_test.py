"""The script of the swap test: an untrained run goes through it, and misses its aims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiments.swap_test import main
from PIL import Image
from tests.helpers import tiny_settings

import labelmint


@pytest.fixture(scope="module")
def run(center_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps. To be read only."""
    folder = tmp_path_factory.mktemp("apart") / "run"
    labelmint.train(
        center_folder,
        folder,
        system="bachgan-apart",
        preset="tiny",
        size=(32, 32),
        settings=tiny_settings("bachgan-apart") | {"generator.steps": "4", "generator.evaluate_every": "4"},
        precision="32",
        threads=1,
    )
    return folder


def test_a_run_of_a_few_steps_goes_through_and_fails(run: Path, center_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    words = [
        "--run",
        run,
        "--data",
        center_folder,
        "--out",
        tmp_path,
        "--n",
        6,
        "--rows",
        2,
        "--judge-steps",
        2,
    ]
    assert main([str(word) for word in words], said.append) == 0
    found = json.loads((tmp_path / "swap_test.json").read_text())
    assert {"foreground", "background"} <= {*found["missed"]}
    assert found["n"]["layouts"] == 6
    assert found["n"]["object_pixels"] <= found["n"]["pixels_inside"]
    assert found["n"]["objects"] > 0
    assert said[-1].startswith("border: ")
    with Image.open(tmp_path / "swap_test.png") as picture:
        assert picture.width > 9 * 96


def test_bad_input_is_refused_in_one_line(
    run: Path,
    tiny_run: Path,
    digits_folder: Path,
    center_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    of_digits = [
        "--run",
        str(tiny_run),
        "--data",
        str(digits_folder),
        "--out",
        str(tmp_path),
        "--judge-steps",
        "1",
    ]
    assert main([*of_digits, "--n", "2"], lambda line: None) == 2
    assert "has no code of the foreground; train bachgan-apart" in capsys.readouterr().err
    words = ["--run", str(run), "--data", str(center_folder), "--out", str(tmp_path), "--judge-steps", "1"]
    assert main([*words, "--n", "999"], lambda line: None) == 2
    said = capsys.readouterr().err
    assert "--n 999: there are 12 test pairs; take fewer" in said
    assert said.count("\n") == 1

"""The script of Figure 10: distances are zero for what is the same, and a tiny run goes through it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.diversity_of_masks import main, on_objects
from PIL import Image


def test_the_distance_counts_the_objects_alone() -> None:
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    other = image.copy()
    other[~mask] = 200
    assert on_objects(image, other, mask) == 0
    other[mask] = 30
    assert on_objects(image, other, mask) == 30


def test_a_tiny_run_goes_through_whole(tiny_run: Path, digits_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    words = [
        "--run",
        tiny_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--k",
        3,
        "--each",
        2,
        "--judge-steps",
        2,
    ]
    assert main([str(word) for word in words], said.append) == 0
    found = json.loads((tmp_path / "diversity_of_masks.json").read_text())
    assert len(found["layouts"]) == 3
    listed = (digits_folder / "test.txt").read_text().split()
    assert not set(found["layouts"]) & set(listed)
    for what in ("pixels", "features"):
        assert found[what]["draws"]["n"] == 3
        assert found[what]["to_own"]["n"] == 6
        assert all(found[what][name]["mean"] > 0 for name in ("draws", "to_own", "to_own_test", "real"))
        assert 0 <= found[what]["nearer"] <= 1
    assert found["copies"]["draws"] == 6
    assert 0 <= found["copies"]["nearest_is_own"] <= 1
    with Image.open(tmp_path / "diversity_of_masks.png") as picture:
        assert picture.width > 4 * 96
    assert said[-1].startswith("of 6 draws: ")


def test_bad_numbers_are_refused_in_one_line(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run", tiny_run, "--data", digits_folder, "--out", tmp_path]
    assert main([*map(str, [*words, "--each", 1])]) == 2
    assert "--each 1: expected at least 2" in capsys.readouterr().err
    assert main([*map(str, [*words, "--k", 500, "--judge-steps", 1])], lambda line: None) == 2
    said = capsys.readouterr().err
    assert "--k 500 asks for as many layouts with objects" in said
    assert said.count("\n") == 1

"""Sketches: lines lie where images have edges, and a run of sketches draws for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from experiments.sketches import edges, ellipses, main
from PIL import Image
from scipy import ndimage
from tests.helpers import tiny_settings

import labelmint


def test_lines_lie_on_the_border_of_a_disc() -> None:
    y, x = np.mgrid[:64, :64]
    from_center = np.hypot(y - 31, x - 31)
    lines = edges(np.where(from_center < 16, 200, 40).astype(np.uint8)[..., None], 1.0)
    assert (np.abs(from_center[lines == 1] - 16) < 4).all()
    assert ndimage.label(lines == 0)[1] == 2


def test_ellipses_are_closed_lines_that_do_not_touch() -> None:
    lines = ellipses((96, 96), 0)
    assert (lines == ellipses((96, 96), 0)).all()
    assert 0.02 < lines.mean() < 0.25
    assert ndimage.label(lines, np.ones((3, 3)))[1] >= 4


def test_sketches_are_made_trained_on_and_drawn(
    center_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "sketches", tmp_path / "out"
    assert main(["make", "--data", str(center_folder), "--out", str(data), "--sigma", "1"]) == 0
    assert (data / "test.txt").read_text() == (center_folder / "test.txt").read_text()
    labelmint.train(
        data,
        tmp_path / "run",
        system="pix2pix",
        preset="tiny",
        size=(32, 32),
        settings=tiny_settings("pix2pix") | {"generator.steps": "2"},
        threads=1,
    )
    drawing = ["draw", "--run", str(tmp_path / "run"), "--out", str(out), "--draws", "2"]
    assert main([*drawing, "--data", str(data)]) == 0
    with Image.open(out / "sketches.png") as picture:
        assert picture.height > 7 * 96
    assert main(["make", "--data", str(center_folder), "--out", str(data), "--sigma", "0"]) == 2
    assert main([*drawing, "--data", str(center_folder)]) == 2
    assert capsys.readouterr().err.count("error: ") == 2

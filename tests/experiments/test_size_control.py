"""The script of Figure 16: a scaled object has the area asked for and moves nothing else, and a tiny run goes
through it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.size_control import SCALES, main, scaled
from PIL import Image


def scene() -> tuple[np.ndarray, np.ndarray]:
    symbols = np.zeros((64, 64), np.uint8)
    symbols[2:6, 2:6] = 2
    mask = np.zeros((64, 64), bool)
    mask[28:36, 26:38] = True
    symbols[mask] = 1
    return symbols, mask


@pytest.mark.parametrize("scale", SCALES)
def test_a_scaled_object_keeps_its_middle_and_its_shape(scale: float) -> None:
    symbols, mask = scene()
    layout, new = scaled(symbols, mask, scale, 0, 1)
    assert np.array_equal(layout == 1, new)
    rows, columns = np.nonzero(new)
    assert rows.mean() == pytest.approx(31.5, abs=0.51)
    assert columns.mean() == pytest.approx(31.5, abs=0.51)
    assert np.ptp(rows) + 1 == pytest.approx(8 * scale, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(12 * scale, abs=1)
    if scale <= 1:
        assert (layout == 2).sum() == 16
        assert (layout == 0).sum() == 64 * 64 - 16 - new.sum()


def test_scale_one_changes_nothing() -> None:
    symbols, mask = scene()
    layout, new = scaled(symbols, mask, 1.0, 0, 1)
    assert np.array_equal(layout, symbols)
    assert np.array_equal(new, mask)


@pytest.mark.parametrize("alone", [False, True])
def test_a_tiny_run_goes_through_whole(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, alone: bool
) -> None:
    said: list[str] = []
    words = [
        "--run",
        tiny_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--class",
        "6",
        "--draws",
        2,
        "--n",
        2,
        "--judge-steps",
        2,
    ]
    assert main([*map(str, words), *(["--alone"] if alone else [])], said.append) == 0
    found = json.loads((tmp_path / "size_control.json").read_text())
    rows = found["scales"]
    assert [row["scale"] for row in rows] == list(SCALES)
    areas = [row["area"] for row in rows]
    assert areas == sorted(areas)
    least, most = found["training"]["area"]["least"], found["training"]["area"]["most"]
    for row in rows:
        assert row["within_training"] == (0.95 * least <= row["area"] <= 1.05 * most)
        assert row["iou"] is None or 0 <= row["iou"] <= 1
    assert rows[4]["within_training"]
    assert not rows[-1]["within_training"]
    for name in ("size_control", "size_control_iou"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 500
    assert len(said) >= 10


def test_an_unknown_class_is_refused_with_those_there_are(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*map(str, ["--run", tiny_run, "--data", digits_folder, "--out", tmp_path, "--class", "cube"])])
        == 2
    )
    said = capsys.readouterr().err
    assert "no such class; it has background, 0, 1" in said
    assert said.count("\n") == 1

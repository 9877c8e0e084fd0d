"""The script of Figure 8: the second object is taken away and nothing else, a corner is a corner, and a tiny
run goes through it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.reflection import main
from experiments.two_objects import TwoObjects, two_objects
from PIL import Image

import labelmint
from labelmint.metrics.coherence import OneInCenter, scene_objects


def test_a_layout_with_and_without_its_second_object(center_run: Path, center_folder: Path) -> None:
    system, data = labelmint.load(center_run), labelmint.read(center_folder)
    found = [two_objects(system, ids) for ids in system.layouts_of(data).numpy()]
    assert [one is None for one in found] == [i % 4 == 0 for i in range(48)]
    for pair, one in zip(data, found, strict=True):
        if one is None:
            continue
        labels = pair.layout.label_map
        assert np.array_equal(one.center, labels == 1)
        assert np.array_equal(one.other, labels == 2)
        alone = system.config.symbol_table.layout(one.alone, True)
        assert np.array_equal(alone.label_map, np.where(labels == 2, 0, labels))
        wrong = system.config.symbol_table.layout(one.cornered, True)
        assert np.bincount(wrong.label_map.ravel(), minlength=3)[1] == (labels == 1).sum()
        assert "0 objects in the center" in OneInCenter().check(
            scene_objects(wrong.label_map, wrong.instances, (0,))
        )


def test_distance_is_between_the_nearest_pixels() -> None:
    center, other = np.zeros((20, 40), bool), np.zeros((20, 40), bool)
    center[8:12, 18:22], other[8:12, 30:34] = True, True
    assert TwoObjects(np.zeros((20, 40)), center, other, 0).distance == pytest.approx((30 - 21) / 40)


def test_a_tiny_run_goes_through_whole(center_run: Path, center_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    words = [
        "--run",
        center_run,
        "--data",
        center_folder,
        "--out",
        tmp_path,
        "--layouts",
        12,
        "--pairs",
        4,
        "--judge-steps",
        3,
    ]
    assert main([str(word) for word in words], said.append) == 0
    found = json.loads((tmp_path / "reflection.json").read_text())
    for name in ("drawn", "training", "test"):
        assert found["layouts"][name]["strict"]["scenes"] == 12
    for name in ("training", "test"):
        assert found["layouts"][name]["strict"]["broken"] == 0
    distances = [row["distance"] for row in found["reflection"]["pairs"]]
    assert distances == sorted(distances)
    assert all(row["change"] >= 0 and row["floor"] > 0 for row in found["reflection"]["pairs"])
    assert found["accepted"]["right"]["labels_broken"] == 0
    assert found["accepted"]["wrong"]["labels_broken"] == found["accepted"]["wrong"]["images"] == 4
    for name in ("reflection", "drawn", "right", "wrong"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 200
    assert any(line.startswith("layouts, drawn: ") for line in said)


def test_data_of_another_kind_are_refused_in_one_line(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--run",
        tiny_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--layouts",
        2,
        "--pairs",
        1,
        "--judge-steps",
        1,
    ]
    assert main([str(word) for word in words], lambda line: None) == 2
    assert "labelmint datasets make clevr-192" in capsys.readouterr().err

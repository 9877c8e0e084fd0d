"""The benchmark of formats runs small, and counts what each side wrote."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.formats import main, make_coco

from labelmint.formats import read


def test_the_set_that_is_converted_is_a_coco_set(tmp_path: Path) -> None:
    make_coco(tmp_path / "set", images=18, objects=3, size=32)
    data = read(tmp_path / "set")
    assert len(data) == 18 and sum(len(pair.layout.objects) for pair in data) == 54


def test_figures_of_both_are_written(tmp_path: Path) -> None:
    small = ["--images", "4", "--objects", "2", "--pairs", "4", "--workers", "1", "--repeat", "1"]
    assert main([*small, "--out", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["objects"] == 8 and found["read"]["ratio"] > 0
    converted = {name: found["convert"].get(name) for name in ("labelmint", "datumaro", "supervision")}
    sides = [one for one in converted.values() if one and "error" not in one]
    assert sides
    assert all(one["label_lines"] == 8 for one in sides)

"""Tables 2 and 3: data as the paper has them, and rows from arms of a study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.usefulness.study_fakes import Noise, Trainer, data_of, known, pairs

import labelmint
from experiments import table2_malaria, table3_brats, tables_of_study
from labelmint.reports.results import Results
from labelmint.types import DataSet


def test_brain_slices_have_three_tumors_and_two_backgrounds() -> None:
    image = np.full((1, 6, 3), 7, np.uint8)
    image[0, :2] = 0
    labels = np.array([[0, 1, 1, 2, 3, 4]], np.uint8)
    assert table3_brats.regions(image, labels).tolist() == [[0, 3, 3, 2, 3, 4]]
    assert table3_brats.regions(image, labels * 0).tolist() == [[0, 0, 1, 1, 1, 1]]
    made = table3_brats.TABLE.made.classes
    assert [name.startswith("background") for name in made] == [True, True, False, False, False]


def test_a_table_has_what_the_arms_reach_beside_what_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = data_of(pairs(30), [f"p{k:03d}" for k in range(6)])
    labelmint.write(real, tmp_path / "real", format="folder", classes=real.classes)
    trainer = Trainer(known())
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])

    def study(data: DataSet, out: Path, **options: object) -> Results:
        assert data.classes.names == ("background", "infected")
        small = {**options, "size": (8, 8), "preset": "tiny", "precision": "32", "threads": 1}
        return labelmint.study(data, out, maker=Noise(), train_arm=trainer, **small)  # type: ignore[arg-type]

    monkeypatch.setattr(tables_of_study, "study", study)
    out = tmp_path / "out"
    given = ["--data", str(tmp_path / "real"), "--out", str(out), "--seeds", "2", "--device", "cpu"]
    assert table2_malaria.main([*given, "--samples", "12"]) == 0
    assert {key for key, _, _ in trainer.calls} == {"R", "A", "S-0.65", "accuracy-0.65"}
    told = json.loads((out / "table2.json").read_text(encoding="utf-8"))
    first, second = told["rows"]
    assert first["published"] == ["0.537 ± 0.005", "0.559 ± 0.008"]
    assert first["dice"]["R"] == pytest.approx([0.5, 0.51])
    assert second["model"].endswith("not pretrained here")
    text = (out / "table2.md").read_text(encoding="utf-8")
    assert "| 0.537 ± 0.005 | 0.559 ± 0.008 | 0.505 ± 0.007 |" in text
    assert labelmint.read(out / "data")[0].layout.size == (256, 256)
    assert table2_malaria.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "other")]) == 2

"""The training benchmark: figures that fit together, and scopes that are told apart."""

import json
from pathlib import Path

import pytest

from benchmarks import training


def test_a_stage_is_measured_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "training.json"
    training.main(
        [
            "--preset",
            "tiny",
            "--system",
            "pre-msgnet",
            "--stage",
            "prior",
            "--batch-size",
            "2",
            "--steps",
            "1",
            "--augment",
            "flips",
            "--threads",
            "1",
            "--precision",
            "32",
            "--json",
            str(file),
        ]
    )
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["preset"], row["system"], row["stage"], row["batch"]) == ("tiny", "pre-msgnet", "prior", 2)
    assert row["images_per_s"] == pytest.approx(2 / row["seconds"])
    assert 0 < row["before_mib"] <= row["peak_mib"]
    assert row["cpu_seconds"] > 0
    assert sum(row["share"].values()) == pytest.approx(1)
    assert {"convolution", "attention", "optimizer", "tokenizing", "loading views", "elementwise"} <= row[
        "share"
    ].keys()
    assert min(row["share"].values()) >= 0
    assert "tiny pre-msgnet prior" in capfd.readouterr().out

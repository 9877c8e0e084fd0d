"""The table of runs: every figure of every kind of system, from one judge, over the same layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiments.coupled_table import main
from tests.helpers import tiny_settings

from labelmint.runs.train import train


def test_runs_of_each_kind_stand_in_one_table(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny_settings("svqvae-t") | {"tokenizer.reference": "true", "prior.condition_dropout": "0.2"}
    referring = tmp_path / "referring"
    train(
        digits_folder,
        referring,
        system="svqvae-t",
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
    )
    words = ["--data", digits_folder, "--out", tmp_path / "out", "--n", 32, "--judge-steps", 2]
    command = [*map(str, words), "--run", str(tiny_run), str(referring)]
    assert main(command) == 0
    found = json.loads((tmp_path / "out" / "coupled_table.json").read_text())
    first, second = found["rows"]
    assert (first["system"], second["system"]) == ("msgnet", "svqvae-t")
    assert first["own"] is not None
    assert second["own"] is None
    assert first["alone"] is None
    assert second["alone"] > 0
    assert first["of real"] == second["of real"]
    for row in found["rows"]:
        assert -1 <= row["ssim"] <= 1
        assert 0 <= row["labels"] <= 1
        assert row["mse"] > 0
        assert row["frechet"] is None  # 12 views, and 256 features
        assert row["bits"] == pytest.approx(row["nats"] * row["tokens"] / 0.6931472, rel=1e-6)
    assert (tmp_path / "out" / "coupled_table.png").is_file()
    assert main([*map(str, words[:-2]), "--n", "4", "--run", str(tiny_run)]) == 2
    assert "--n 4: expected at least" in capsys.readouterr().err

"""The script of the filter's effect: a stricter filter keeps fewer pairs, and a run without a judge is
refused.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from experiments.filter_effect import main
from PIL import Image

import labelmint
from labelmint.evaluation.judging import judge_of
from labelmint.hardware import choose_device
from labelmint.usefulness.plan import JUDGE, StudyOptions
from labelmint.usefulness.real import load_real


def test_kept_pairs_are_read_by_one_who_has_no_part_in_the_filter(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(tiny_run, run)
    words = [
        str(word)
        for word in ("--run", run, "--data", digits_folder, "--out", out, "--n", 12, "--judge-steps", 2)
    ]
    assert main(words) == 2
    assert "no judge" in capsys.readouterr().err

    system = labelmint.load(run, device="cpu")
    real = load_real(labelmint.read(digits_folder), system.size, StudyOptions(), lambda event: None)
    training, validation = (
        [real.fitted[name] for name in part] for part in (real.parts.training, real.parts.validation)
    )
    judge_of(
        run,
        real.data,
        training,
        validation,
        real.geometry,
        channels=1,
        foreground=real.foreground,
        seed=0,
        config=JUDGE.model_copy(update={"steps": 2}),
        device=choose_device("cpu"),
        precision="32",
        report=lambda event: None,
    )
    assert main([*words, "--share", "0", "90"]) == 0
    found = json.loads((out / "filter_effect.json").read_text())
    assert found["share 0.9"]["kept"] <= found["share 0"]["kept"] <= found["n"] == 12
    assert 0 <= found["agreement"] <= 1
    if found["share 0"]["kept"] == 12:
        assert found["share 0"]["more"] == 0
    with Image.open(out / "filter_effect.png") as picture:
        assert picture.width > 500

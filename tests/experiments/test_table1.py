"""The scripts of Table 1: rows are made once, a new seed makes them anew, and the papers' numbers stand as
printed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.common import dice_by_class
from experiments.table1 import main
from experiments.table1_clevr import CLEVR
from experiments.table1_multi_mnist import MULTI_MNIST
from PIL import Image


def words(run: Path, data: Path, out: Path, *more: object) -> list[str]:
    runs = [f"msgnet={run}", f"again={run}"]
    options = ["--n", 20, "--seeds", 1, "--judge-steps", 2, "--composition", "pairs", "--at-most", 40, *more]
    return [str(word) for word in ("--data", data, "--out", out, "--runs", *runs, *options)]


def test_a_table_is_made_and_gone_on_with(tiny_run: Path, digits_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert main(MULTI_MNIST, words(tiny_run, digits_folder, tmp_path), said.append) == 0
    found = json.loads((tmp_path / "table1.json").read_text())
    assert list(found["rows"]) == ["msgnet", "again"]
    first, again = found["rows"].values()
    assert first["figures"] == again["figures"]
    assert first["dice_real_and_synthetic"] == again["dice_real_and_synthetic"]
    assert first["smoke_test"]
    for name in (
        "obedience.dice",
        "fidelity.frechet_distance",
        "coherence.composition_layouts",
        "reconstruction.mse",
    ):
        assert name in first["figures"]
    assert found["published"][1]["accuracy"] == 0.871
    text = (tmp_path / "table1.md").read_text()
    assert "| pre-MSGNet | 0.871 | 0.874 | - | long |" in text
    assert "msgnet (smoke test)" in text
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.height > 6 * 90
    kept = (tmp_path / "rows" / "again.json").read_text()
    (tmp_path / "rows" / "msgnet.json").write_text("damaged")
    said.clear()
    assert main(MULTI_MNIST, words(tiny_run, digits_folder, tmp_path), said.append) == 0
    assert json.loads((tmp_path / "table1.json").read_text()) == found
    assert (tmp_path / "rows" / "again.json").read_text() == kept
    assert any(line.startswith("again: kept") for line in said)
    assert not any(line.startswith("msgnet: kept") for line in said)


def test_the_papers_numbers() -> None:
    rows = {row.system: (row.accuracy, row.diversity, row.fid) for row in CLEVR.published}
    assert rows["pre-MSGNet"] == (0.738, 0.843, 57.3)
    assert rows["No-Comp MSGNet"] == (0.711, 0.797, 65.7)
    assert rows["BigGAN"] == (None, None, 122.3)


def test_dice_is_over_the_classes_that_are_labelled() -> None:
    counts = np.array([[[5, 0, 1], [0, 4, 0], [0, 0, 0]]])  # class 2 is read once and labelled nowhere
    assert dice_by_class(counts, (1, 2)) == 1
    assert dice_by_class(counts, (2,)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [("msgnet", "expected NAME=RUN"), ("a/b=run", "expected NAME=RUN"), ("a=none", "is no run")],
)
def test_bad_runs_are_refused_in_one_line(
    text: str, told: str, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(CLEVR, ["--data", str(digits_folder), "--out", str(tmp_path), "--runs", text], lambda line: None)
        == 2
    )
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1

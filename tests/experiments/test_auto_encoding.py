"""Tokenizers of several settings: each is trained once, and its figures are of what it gives back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from experiments.auto_encoding import main
from experiments.token_figures import layouts_back
from PIL import Image

import labelmint


def test_rows_are_trained_once_and_measured(
    mint_run: Path, tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    words = [
        "--run",
        mint_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--minutes",
        0.02,
        "--n",
        12,
        "--judge-steps",
        2,
    ]
    rows = (
        "as-it-is",
        "tokenizer.layout_encoder=network,tokenizer.multipliers=1,1,tokenizer.semantic_codebook_size=8",
    )
    command = [
        *map(str, words),
        "--beside",
        str(tiny_run),
        *(word for row in rows for word in ("--row", row)),
    ]
    assert main(command, said.append) == 0
    found = json.loads((tmp_path / "auto_encoding.json").read_text())["rows"]
    assert [row["row"] for row in found] == [tiny_run.name, *rows]
    assert found[0]["weights"] == json.loads((tiny_run / "tokenizer" / "part.json").read_text())["sha256"]
    for row in found:
        assert row["mse"] > 0
        assert row["frechet"] is None  # 12 views, and 256 features
        assert row["steps"] >= 1
        assert all(0 <= row[name] <= 1 for name in ("misread", "miou", "boundaries", "codes_used"))
    with Image.open(tmp_path / "auto_encoding.png") as picture:
        assert picture.height > 8 * 64

    said.clear()
    assert main(command, said.append) == 0
    assert [line for line in said if "trained already" in line] == [f"{row}: trained already" for row in rows]
    assert json.loads((tmp_path / "auto_encoding.json").read_text())["rows"] == found

    assert main([*command, "--minutes", "3"]) == 2
    assert "holds another experiment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("tokenizer.lambda=1", "there is no setting"),
        ("prior.channels=8", "no setting of the tokenizer"),
        ("tokenizer.multipliers=1,1,1,1,1,1,1", "needs multiples of"),
        ("tokenizer.reference=true", "needs layout_encoder=network"),
    ],
)
def test_a_row_that_can_t_be_is_told_before_anything_is_trained(
    mint_run: Path,
    digits_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    row: str,
    reason: str,
) -> None:
    words = [
        "--run",
        mint_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path / "out",
        "--row",
        "as-it-is",
        "--row",
        row,
    ]
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_only_coupled_tokenizers_have_rows(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run", tiny_run, "--data", digits_folder, "--out", tmp_path / "out", "--row", "as-it-is"]
    assert main([*map(str, words)]) == 2
    assert "a run of msgnet; give one of svqvae-t" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class _Same:
    """Tokens that are the layout itself."""

    def decode_layouts(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens


def test_layouts_that_come_back_as_they_were_lose_nothing_and_others_do(
    mint_run: Path, digits_folder: Path
) -> None:
    system = labelmint.load(mint_run)
    ids = system.pairs_of(labelmint.read(digits_folder)).fixed(0, 4).layouts.ids
    _, kept = layouts_back(_Same(), ids, ids, system)  # type: ignore[arg-type]
    assert kept == {"misread": 0.0, "miou": 1.0, "boundaries": 0.0}
    _, lost = layouts_back(_Same(), torch.zeros_like(ids), ids, system)  # type: ignore[arg-type]
    assert lost["misread"] > 0
    assert lost["miou"] < 0.6
    assert lost["boundaries"] > 0.5

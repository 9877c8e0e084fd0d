"""The script of the three orders: it trains each once, on the same tokens, and its figures belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiments.fewer_steps import ORDERS, main
from PIL import Image

import labelmint


def test_a_tiny_run_goes_through_whole_and_what_is_trained_is_not_trained_again(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    words = [
        "--run",
        tiny_run,
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--minutes",
        0.01,
        "--n",
        6,
        "--batch-size",
        3,
    ]
    command = [*map(str, words), "--judge-steps", "2"]
    assert main(command, said.append) == 0
    found = json.loads((tmp_path / "fewer_steps.json").read_text())
    rows = found["orders"]
    assert list(rows) == [*ORDERS, "run"]
    assert rows["token"]["more_nats"] == rows["token"]["more_agreement"] == 0
    for order in ORDERS:
        assert rows[order]["more_nats"] == pytest.approx(rows[order]["nats"] - rows["token"]["nats"])
        assert rows[order]["images_per_second"] > 0
        low, high = rows[order]["agreement_interval"]
        assert 0 <= low <= rows[order]["agreement"] <= high <= 1
        assert labelmint.load(tmp_path / order).config.request.settings.prior.at_once == order
    tokenizers = {
        (folder / "tokenizer" / "weights.safetensors").read_bytes()
        for folder in (tiny_run, *(tmp_path / o for o in ORDERS))
    }
    assert len(tokenizers) == 1
    with Image.open(tmp_path / "fewer_steps.png") as picture:
        assert picture.width > 500

    said.clear()
    assert main(command, said.append) == 0
    assert [line for line in said if "trained already" in line] == [
        f"{order}: trained already" for order in ORDERS
    ]
    again = json.loads((tmp_path / "fewer_steps.json").read_text())["orders"]
    assert all(again[order]["nats"] == rows[order]["nats"] for order in ORDERS)
    assert all(again[order]["agreement"] == rows[order]["agreement"] for order in ORDERS)

    assert main([*command, "--minutes", "3"]) == 2
    error = capsys.readouterr().err
    assert "max_minutes is 0.01 there and 3.0 now" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("run", ["tiny_run", "mint_run"])
def test_another_prior_is_compared_with_one_that_is_trained_already(
    run: str, digits_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    words = [
        "--run",
        request.getfixturevalue(run),
        "--data",
        digits_folder,
        "--out",
        tmp_path,
        "--minutes",
        0.01,
        "--n",
        6,
        "--batch-size",
        3,
    ]
    command = [*map(str, words), "--judge-steps", "2", "--compare"]
    said: list[str] = []
    assert main([*command, "place"], said.append) == 0
    assert main([*command, "place", "scene"], said.append) == 0
    assert "place: trained already" in said
    assert list(json.loads((tmp_path / "fewer_steps.json").read_text())["orders"]) == [
        "place",
        "scene",
        "run",
    ]
    assert labelmint.load(tmp_path / "scene").config.request.settings.prior.condition_scene


def test_one_code_a_place_leaves_nothing_to_draw_at_once(
    mint_run: Path, digits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--run", str(mint_run), "--data", str(digits_folder), "--out", str(tmp_path / "out")]) == 2
    assert "token and place are the same" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

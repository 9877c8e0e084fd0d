"""Rebalancing on a known answer: what the script counts, and that it runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments.rare_color import BLUE, NEITHER, RED, colors_of, disc, shown
from tests.helpers import tiny_settings

from experiments import rare_color


def test_colors_are_those_that_were_painted() -> None:
    pairs = [disc(index) for index in range(48, 53)]
    assert colors_of(pairs).tolist() == [BLUE, BLUE, RED, BLUE, BLUE]
    grey = replace(pairs[0], image=np.full((32, 32, 3), 120, np.uint8))
    assert colors_of([grey]).tolist() == [NEITHER]


def test_rebalancing_shows_the_rare_color_many_times_as_often() -> None:
    assert shown("none", 125) == pytest.approx(1 / 50, abs=1e-3)
    assert shown("appearance", 50) > 5 / 50


def test_it_runs_and_goes_on(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--systems", "pix2pix", "--minutes", "0.01", "--n", "20"]
    options += [f"--set={key}={value}" for key, value in tiny_settings("pix2pix").items()]
    assert rare_color.main(options) == 0
    first = (tmp_path / "rare_color.json").read_text()
    rows = json.loads(first)["rows"]
    assert [(row["system"], row["rebalance"]) for row in rows] == [
        ("pix2pix", "none"),
        ("pix2pix", "appearance"),
    ]
    for row in rows:
        assert row["discs"] == 20
        assert row["red_interval"][0] <= row["red"] <= row["red_interval"][1]
    assert rare_color.main(options) == 0
    assert (tmp_path / "rare_color.json").read_text() == first

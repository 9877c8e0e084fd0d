"""Prepared sets: what is written beside the pairs tells of their parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.originals import brats

from labelmint.cli.datasets import write_digits
from labelmint.datasets.brats import prepare_brats
from labelmint.datasets.digits import split
from labelmint.datasets.prepared import write_prepared
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.types import AnnotatedImage, Layout


def told(path: Path) -> tuple[str, list[str], list[str]]:
    """The line of parts in the README, the lists that croissant.json has as files, and as records."""
    croissant = json.loads((path / "croissant.json").read_text())
    (line,) = [line for line in (path / "README.md").read_text().splitlines() if "Parts" in line]
    files = [one["name"] for one in croissant["distribution"] if one["name"].endswith(".txt")]
    return line, files, [one["name"] for one in croissant["recordSet"] if one["name"] in ("train", "test")]


def test_card_and_croissant_know_the_parts(tmp_path: Path) -> None:
    written = write_prepared(prepare_brats(brats(tmp_path / "brats")), tmp_path / "out")
    line, *lists = told(tmp_path / "out")
    assert f"train {written.train}" in line and f"test {written.test}" in line
    assert lists == [["test.txt", "train.txt"], ["test", "train"]]
    data = read(tmp_path / "out")
    assert (len(data.train or ()), len(data.test or ())) == (written.train, written.test) == (8, 4)


def test_nothing_is_written_into_the_original(tmp_path: Path) -> None:
    original = brats(tmp_path / "brats")
    before = sorted(original.rglob("*"))
    for out in (original / "out", original):
        with pytest.raises(InputError, match="brats"):
            write_prepared(prepare_brats(original), out)
    assert sorted(original.rglob("*")) == before


def test_digits_are_described_with_their_parts(tmp_path: Path) -> None:
    train, test = split(3)
    blank = np.zeros((8, 8, 1), np.uint8)
    pairs = (
        AnnotatedImage(name=n, image=blank, layout=Layout(label_map=blank[..., 0])) for n in (*train, *test)
    )
    write_digits(pairs, tmp_path / "out", 3)
    line, *lists = told(tmp_path / "out")
    assert line.endswith(f"train {len(train)}, test {len(test)}")
    assert lists == [["test.txt", "train.txt"], ["test", "train"]]
    assert read(tmp_path / "out").test == tuple(test)

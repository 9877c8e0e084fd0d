"""The three classes of smears keep every cell in its place."""

from pathlib import Path

import numpy as np
from experiments.malaria_cells import main
from PIL import Image

import labelmint


def test_classes_are_merged_and_the_split_is_kept(tmp_path: Path) -> None:
    source, out = tmp_path / "bbbc041", tmp_path / "cells"
    mask = np.arange(7, dtype=np.uint8).repeat(8).reshape(7, 8)
    for name in ("a", "b"):
        for folder, pixels in (("images", np.zeros((7, 8, 3), np.uint8)), ("masks", mask)):
            (source / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(source / folder / f"{name}.png")
    (source / "train.txt").write_text("a\n")
    (source / "test.txt").write_text("b\n")
    assert main(["--data", str(source), "--out", str(out)]) == 0
    data = labelmint.read(out)
    assert data.classes.names == ("background", "red blood cell", "infected")
    assert data[0].layout.label_map[:, 0].tolist() == [0, 1, 2, 2, 2, 2, 0]
    assert data.test == ("b",)
    assert main(["--data", str(source), "--out", str(out)]) == 2  # it is there
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()

"""The Python of the tutorials runs: the nuclei as they are published become a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelmint
from tests.test_docs import ROOT, blocks

TUTORIAL = ROOT / "docs" / "tutorials" / "nuclei.md"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images with two nuclei each, a mask a nucleus, as in stage1_train."""
    for number in range(6):
        home = tmp_path / "stage1_train" / f"image-{number}"
        for folder in ("images", "masks"):
            (home / folder).mkdir(parents=True)
        Image.new("RGBA", (12, 8 + number), (number, 0, 0, 255)).save(home / "images" / f"{home.name}.png")
        for nucleus in range(2):
            mask = np.zeros((8 + number, 12), np.uint8)
            mask[2:5, 4 * nucleus : 4 * nucleus + 4] = 255
            Image.fromarray(mask).save(home / "masks" / f"{nucleus}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_published_nuclei_become_a_data_set(published: Path) -> None:
    (code,) = blocks(TUTORIAL, "python")
    exec(code, {})
    data = labelmint.read("nuclei")
    assert data.classes.names == ("background", "nucleus")
    assert data.test == ("image-0", "image-5") and len(data) == 6
    layout = data.load("image-3").layout
    assert layout.instances is not None
    assert np.unique(layout.instances).tolist() == [0, 1, 2] and layout.label_map.sum() == 24

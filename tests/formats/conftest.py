"""Small data sets on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `folder` data set of two pairs, 6 x 8 pixels, classes 0 and 1, with a classes.json."""
    path = tmp_path / "data"
    for part in ("images", "labels"):
        (path / part).mkdir(parents=True)
    for index, name in enumerate(("a", "b")):
        image = np.random.default_rng(index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(image).save(path / "images" / f"{name}.png")
        label = np.zeros((6, 8), dtype=np.uint8)
        label[2:4, 3:6] = 1
        Image.fromarray(label).save(path / "labels" / f"{name}.png")
    (path / "classes.json").write_text('{"names": {"0": "background", "1": "cell"}}')
    return path


def coco_document() -> dict[str, Any]:
    """One image "a" of 8 x 6 pixels (width x height), one category, one box."""
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 3, "name": "cell"}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 2], "iscrowd": 0, "segmentation": []}
        ],
    }


@pytest.fixture
def coco(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a COCO document beside the image a.png; gives the folder."""

    def make(document: dict[str, Any]) -> Path:
        path = tmp_path / "coco"
        (path / "images").mkdir(parents=True)
        Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(path / "images" / "a.png")
        (path / "instances.json").write_text(json.dumps(document))
        return path

    return make


@pytest.fixture
def document() -> dict[str, Any]:
    return coco_document()

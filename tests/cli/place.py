"""A folder to spoil data and runs in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Words = list[object]


class Place:
    """A folder to spoil things in."""

    def __init__(self, path: Path, digits: Path, run: Path | None) -> None:
        self.path, self._digits, self._run = path, digits, run
        self.out = path / "out"

    def data(self) -> Path:
        """A data set that may be spoiled."""
        return Path(shutil.copytree(self._digits, self.path / "data", dirs_exist_ok=True))

    def run(self) -> Path:
        """A run that may be spoiled."""
        assert self._run is not None
        return Path(shutil.copytree(self._run, self.path / "run", dirs_exist_ok=True))

    def train(self, data: Path, *more: object) -> Words:
        """A training command."""
        return ["train", data, "--out", self.out, "--preset", "tiny", *more]

    def synthesize(self, run: Path, *more: object) -> Words:
        """A synthesis command."""
        return ["synthesize", run, "--out", self.out, "-n", 3, *more]

    def coco(self, change: Callable[[dict[str, Any]], None]) -> Path:
        """A COCO set of 20 images with something changed."""
        folder = self.path / "coco"
        (folder / "images").mkdir(parents=True)
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
        for i in range(1, 21):
            Image.fromarray(np.full((32, 32), i, np.uint8)).save(folder / "images" / f"i{i}.png")
            content["images"].append({"id": i, "file_name": f"i{i}.png", "height": 32, "width": 32})
            box = [4.0, 4.0, 8.0, 8.0]
            content["annotations"].append(
                {"id": i, "image_id": i, "category_id": 1, "bbox": box, "iscrowd": 0, "area": 64.0}
            )
        change(content)
        (folder / "instances.json").write_text(json.dumps(content))
        return folder

"""Images of bright disks on a dark ground, some with labels, and the smallest settings of an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import Array

SIZE = (24, 32)
TINY = ArmConfig(
    channels=(4, 8), residual_units=1, batch_size=4, most_steps=24, evaluate_every=12, learning_rate=1e-2
)
FEW: dict[str, Any] = {"size": (16, 16), "crop": True, "segmenter": TINY, "threads": 1, "precision": "32"}


def blob(seed: int, disks: int = 2) -> tuple[Array, Array]:
    """An image (H, W) and its label: disks of value 200 on 40."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    label = np.zeros(SIZE, np.uint8)
    for k in range(disks):
        y, x = rng.integers(5, SIZE[0] - 5), 6 + 14 * k + rng.integers(4)
        label[(rows - y) ** 2 + (columns - x) ** 2 < 16] = 1
    image = np.where(label, 200, 40) + rng.normal(0, 8, SIZE)
    return image.clip(0, 255).astype(np.uint8), label


def write_labelled(folder: Path, count: int, instances: bool = False) -> Path:
    """Labelled images in the format `folder`."""
    for part in ("images", "labels", *(["instances"] if instances else [])):
        (folder / part).mkdir(parents=True)
    for k in range(count):
        image, label = blob(k)
        Image.fromarray(image).save(folder / "images" / f"a{k}.png")
        Image.fromarray(label).save(folder / "labels" / f"a{k}.png")
        if instances:
            apart = label * (1 + (np.arange(SIZE[1]) > 17)).astype(np.uint8)
            Image.fromarray(apart).save(folder / "instances" / f"a{k}.png")
    (folder / "classes.json").write_text('{"names": {"0": "background", "1": "disk"}}')
    return folder


def write_pool(folder: Path, count: int, first: int = 100) -> Path:
    """Images without labels."""
    folder.mkdir(parents=True)
    for k in range(count):
        Image.fromarray(blob(first + k)[0]).save(folder / f"p{k}.png")
    return folder

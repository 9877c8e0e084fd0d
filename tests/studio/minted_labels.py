"""A small data set as `labelmint label` leaves one: images of a bright disk, labels with a ring of "ignore"."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from labelmint import formats
from labelmint.pool.doubtful import DOUBT, Row, write_rows
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout

__all__ = ["SIDE", "disk", "write_minted"]

SIDE = 16
_CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="disk")))
_DOUBTS = {"p2": 0.4, "p0": 0.3, "p3": 0.2, "p1": 0.1}


def disk(place: int) -> tuple[Array, Array]:
    """An image (H, W, 1) and its label (H, W)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(rows - 8, columns - 6 - place % 4)
    label = np.where(distance < 3, 1, np.where(distance < 4, 255, 0)).astype(np.uint8)
    return np.where(label == 1, 200, 40 + place).astype(np.uint8)[..., None], label


def write_minted(folder: Path, first: int = 0) -> Path:
    """Four labels with objects, and their doubt, the most doubtful first: p2, p0, p3, p1."""
    pairs = []
    for place in range(4):
        image, label = disk(first + place)
        layout = Layout(label_map=label, instances=(label == 1).astype(np.uint8))
        pairs.append(AnnotatedImage(name=f"p{place}", image=image, layout=layout))
    formats.write(iter(pairs), folder, format="folder", classes=_CLASSES)
    write_rows(folder / DOUBT, [Row(name, 0.9, doubt + first / 100, 0) for name, doubt in _DOUBTS.items()])
    (folder / "settings.json").write_text(json.dumps({"made_by": "labelmint 1, label"}), encoding="utf-8")
    return folder

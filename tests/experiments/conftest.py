"""A small set in the manner of clevr-192, and a run on it, for the script of Figure 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.helpers import SMALLEST, made_once

import labelmint
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout

CENTER_CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="disc"), ClassInfo(id=2, name="square"))
)


def centered(index: int) -> AnnotatedImage:
    """A disc in the middle of 32x32 pixels and, for three in four, a square beside it, nearer or farther
    away.
    """
    rng = np.random.default_rng(index)
    y, x = np.mgrid[:32, :32]
    labels, instances = np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)
    disc = np.hypot(y - 15.5, x - 15.5) < 5
    labels[disc], instances[disc] = 1, 1
    if index % 4:
        left = int(rng.integers(0, 4)) if rng.random() < 0.5 else int(rng.integers(22, 27))
        top = int(rng.integers(11, 16))
        labels[top : top + 5, left : left + 5], instances[top : top + 5, left : left + 5] = 2, 2
    image = np.array([40, 150, 220], np.uint8)[labels] + rng.integers(0, 20, (32, 32), dtype=np.uint8)
    return AnnotatedImage(
        name=f"c{index:03d}",
        image=image[..., None].astype(np.uint8),
        layout=Layout(label_map=labels, instances=instances),
    )


@pytest.fixture(scope="session")
def center_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pairs, the last 12 of them in test.txt. To be read only."""

    def make(folder: Path) -> None:
        labelmint.write((centered(i) for i in range(48)), folder, format="folder", classes=CENTER_CLASSES)
        (folder / "test.txt").write_text("".join(f"c{i:03d}\n" for i in range(36, 48)))

    return made_once(tmp_path_factory, "center", make)


@pytest.fixture(scope="session")
def center_run(center_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the smallest settings on `center_folder`. To be read only."""

    def make(run: Path) -> None:
        labelmint.train(
            center_folder,
            run,
            system="msgnet",
            preset="tiny",
            size=(32, 32),
            settings=SMALLEST,
            precision="32",
            threads=1,
        )

    return made_once(tmp_path_factory, "center-run", make)

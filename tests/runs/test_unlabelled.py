"""The pool of a training: images that memory does not hold are mapped from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.helpers import digits

from labelmint.datasets import keeping
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.splits import split_of
from labelmint.datasets.whole_images import without_labels
from labelmint.runs.unlabelled import Pool, pool_of


def pool(folder: Path) -> Pool:
    data = digits(20)
    return pool_of(
        without_labels(digits(12, seed=3)),
        data,
        split_of(data, None),
        Geometry(size=(32, 32)),
        channels=1,
        normalize="none",
        seed=0,
        folder=folder,
        tell=lambda done, of: None,
    )


def test_a_pool_that_memory_does_not_hold_is_mapped_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = pool(tmp_path)
    monkeypatch.setattr(keeping, "available_memory", lambda device: 4096)
    mapped = pool(tmp_path)
    assert mapped.digest == held.digest
    assert all(isinstance(image, np.memmap) for image in mapped.pairs.images)
    assert not any(isinstance(image, np.memmap) for image in held.pairs.images)
    assert not list(tmp_path.iterdir()), "the file has no name"

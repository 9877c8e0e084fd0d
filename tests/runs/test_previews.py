"""Pictures of a run: drawn as many at a time as memory holds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers import digits

from labelmint import pictures
from labelmint.runs.draw import Draw
from labelmint.runs.previews import write_previews
from labelmint.runs.trained import TrainedSystem
from labelmint.training.run_folder import RunFolder
from labelmint.types import Batch


@pytest.mark.parametrize(("fits", "at_once"), [(16, 16), (4, 4), (0, 1)])
def test_as_many_are_drawn_at_a_time_as_memory_holds(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int, at_once: int
) -> None:
    chunks, given, shown = list[tuple[int, int]](), list[int](), list[int]()

    def chunk(system: TrainedSystem, number: int, draw: Draw) -> list[int]:
        chunks.append((number, draw.batch_size))
        return [0] * draw.batch_size

    def given_back(batch: Batch) -> torch.Tensor:
        given.append(len(batch))
        return batch.image

    def noted(pairs: list[Any], *rest: Any, **more: Any) -> None:
        shown.append(len(pairs))

    monkeypatch.setattr(TrainedSystem, "drawing_bytes", lambda system, count: count)
    monkeypatch.setattr("labelmint.runs.batch_size.available_memory", lambda device: fits)
    monkeypatch.setattr(TrainedSystem, "chunk", chunk)
    monkeypatch.setattr(trained.images, "given_back", given_back)
    for name in ("curves", "image_grid", "contact_sheet"):
        monkeypatch.setattr(pictures, name, noted)
    shutil.copy(trained.path / "config.json", tmp_path)
    write_previews(RunFolder(tmp_path), trained.wired, trained.pairs_of(digits(16)), torch.device("cpu"))
    assert chunks == [(number, at_once) for number in range(16 // at_once)]
    assert given == [at_once] * (16 // at_once)
    assert shown == [0, 32, 16]

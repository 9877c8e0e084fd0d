"""Pictures of a run: boxes that are seen, and images drawn as many at a time as memory holds."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from tests.helpers import digits

from labelmint import pictures
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.symbols import SymbolTable
from labelmint.layouts.boxes import BoxRule
from labelmint.runs.draw import Draw
from labelmint.runs.previews import LAST_PREVIEW, _write_boxes, write_previews
from labelmint.runs.trained import TrainedSystem
from labelmint.training.run_folder import RunFolder
from labelmint.types import Batch, ClassInfo, ClassSet, LayoutBatch

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell", color=(255, 255, 255))))
RULE = BoxRule(first={1: 1}, grounds=(0,), ignored=2, most=2)


class Source:
    """Draws one box a layout, in its upper left quarter."""

    dials = ()

    def sample(self, seeds: Any, dials: Any) -> LayoutBatch:
        boxes = torch.full((len(seeds), 2, 5), -1.0)
        boxes[:, 0] = torch.tensor([1.0, 2, 2, 12, 12])
        return RULE.see(LayoutBatch(torch.zeros(len(seeds), 32, 32, dtype=torch.uint8), boxes=boxes))


def test_boxes_of_a_white_class_are_seen(tmp_path: Path) -> None:
    config = cast(Any, SimpleNamespace(class_set=CLASSES, symbol_table=SymbolTable(((0, 0), (1, 0)))))
    ids = np.zeros((32, 32), np.int16)
    validation = Pairs([np.zeros((32, 32, 1), np.uint8)], [ids], Geometry(size=(32, 32)), 0)
    _write_boxes(RunFolder(tmp_path), config, RULE, cast(Any, Source()), validation)
    with Image.open(tmp_path / LAST_PREVIEW) as picture:
        drawn = np.asarray(picture)[40:, 500:]  # the right side, below its title, of enlarged cells
    levels = np.unique(drawn.reshape(-1, 3), axis=0)
    assert len(levels) >= 3  # paper and the white outline, what shows nothing, and the box on it


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

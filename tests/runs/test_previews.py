"""Pictures of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.symbols import SymbolTable
from labelmint.layouts.boxes import BoxRule
from labelmint.runs.previews import LAST_PREVIEW, _write_boxes
from labelmint.training.run_folder import RunFolder
from labelmint.types import ClassInfo, ClassSet, LayoutBatch

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

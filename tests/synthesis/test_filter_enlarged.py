"""The filter and images that another run enlarged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.synthesis import test_filter as base

from labelmint.datasets.enlarged_layouts import enlarged_layout, repeated
from labelmint.formats import read
from labelmint.runs.draw import Draw
from labelmint.types import AnnotatedImage

real, run = base.real, base.run


class Enlarged(base.System):
    """The same candidates, every pixel a square of 2x2."""

    upscaled_by = SimpleNamespace(system="rdn", digest="4567", factor=2)

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        return [
            AnnotatedImage(name=one.name, image=repeated(one.image, 2), layout=enlarged_layout(one.layout, 2))
            for one in super().chunk(number, draw)
        ]


@pytest.mark.parametrize("mode", ["on", "ignore"])
def test_enlarged_candidates_are_judged_at_the_size_that_the_judge_knows(run: Path, mode: str) -> None:
    usual, out = base.make(run, "usual", filter=mode), base.make(run, "out", Enlarged(run), filter=mode)
    for one, other in zip(read(usual), read(out), strict=True):
        assert one.name == other.name
        assert np.array_equal(repeated(one.layout.label_map, 2), other.layout.label_map)
    for name in ("manifest.jsonl", "rejected.jsonl"):
        ours, theirs = (
            [
                {key: row.get(key) for key in ("index", "reason", "agreement", "copy_ratio")}
                for row in base.rows(each / name)
            ]
            for each in (usual, out)
        )
        assert ours == theirs

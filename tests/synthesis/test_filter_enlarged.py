"""The filter judges enlarged candidates at the size that its judge knows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.synthesis.test_filter import System, make, real, rows, run

from labelmint.datasets.enlarged_layouts import enlarged_layout, repeated
from labelmint.formats import read
from labelmint.runs.draw import Draw
from labelmint.types import AnnotatedImage

__all__ = ["real", "run"]  # fixtures


class Enlarged(System):
    """The same candidates, every pixel a square of 2x2."""

    upscaled_by = SimpleNamespace(system="rdn", digest="4567", factor=2)

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        return [
            AnnotatedImage(name=one.name, image=repeated(one.image, 2), layout=enlarged_layout(one.layout, 2))
            for one in super().chunk(number, draw)
        ]


@pytest.mark.parametrize("mode", [pytest.param("on", marks=pytest.mark.slow), "ignore"])
def test_enlarged_candidates_are_judged_at_the_size_that_the_judge_knows(run: Path, mode: str) -> None:
    usual, out = make(run, "usual", filter=mode), make(run, "out", Enlarged(run), filter=mode)
    for one, other in zip(read(usual), read(out), strict=True):
        assert one.name == other.name
        assert np.array_equal(repeated(one.layout.label_map, 2), other.layout.label_map)
    for name in ("manifest.jsonl", "rejected.jsonl"):
        ours, theirs = (
            [
                {key: row.get(key) for key in ("index", "reason", "agreement", "copy_ratio")}
                for row in rows(each / name)
            ]
            for each in (usual, out)
        )
        assert ours == theirs

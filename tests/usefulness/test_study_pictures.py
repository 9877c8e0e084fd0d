"""The pictures of a study show what is there, and make nothing for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.usefulness.study_fakes import Noise, Trainer, known, run_study

from labelmint.evaluation.views import Views
from labelmint.progress import Report
from labelmint.usefulness.cells import Drawn
from labelmint.usefulness.pictures import _read
from labelmint.usefulness.plan import Cell, Way


class _Counting(Noise):
    """Notes how many pairs it is asked for."""

    def make(
        self, cell: Cell, way: Way, count: int, folder: Path, report: Report
    ) -> tuple[Views | None, Drawn]:
        self.counts = {*getattr(self, "counts", set()), count}
        return super().make(cell, way, count, folder, report)


@pytest.mark.parametrize(("samples", "shown"), [(5, 5), (20, 12)])
def test_no_samples_are_drawn_for_a_picture(tmp_path: Path, samples: int, shown: int) -> None:
    """A generator would draw 12 anew where its arms learned from 5, whatever the budget is."""
    maker = _Counting()
    arms = {"arms": ("A", "C", "S"), "ratios": (1.0,), "seeds": 1, "n_train": (10,)}
    results = run_study(tmp_path, Trainer(known()), maker, samples=samples, **arms)
    assert maker.counts == {samples, shown}
    assert (tmp_path / "samples-10.png").is_file()
    assert any(section.pictures for section in results.sections)


def test_readings_that_are_damaged_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "A.npz"
    assert _read(file, 2) is None
    np.savez_compressed(file, read=np.zeros((2, 4, 4), np.int16))
    assert _read(file, 2) is not None and _read(file, 3) is None
    whole = file.read_bytes()
    for damaged in (whole[:100], b"", whole.replace(b"read.npy", b"lead.npy"), b"text"):
        file.write_bytes(damaged)
        assert _read(file, 2) is None

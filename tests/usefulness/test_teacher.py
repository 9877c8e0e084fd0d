"""The teacher of arm ST: what it never sees, and how it computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.usefulness.study_fakes import SIDE, real_data

from labelmint.hardware import Hardware, computing_with
from labelmint.pool.stored import EnsembleFolder
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import AnnotatedImage, DataSet, Layout
from labelmint.usefulness.plan import Cell, StudyOptions
from labelmint.usefulness.real import load_real
from labelmint.usefulness.recipe import STRONG
from labelmint.usefulness.teacher import mint_for
from labelmint.usefulness.unlabelled import open_unlabelled

TINY = ArmConfig(channels=(4, 8), residual_units=0, batch_size=2, evaluate_every=1, patience=1, most_steps=2)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])


def poisoned(data: DataSet, spared: set[str]) -> DataSet:
    """The data set with the labels of all other pairs turned upside down."""

    def load(name: str) -> AnnotatedImage:
        pair = data.load(name)
        if name in spared:
            return pair
        return replace(pair, layout=Layout(label_map=2 - pair.layout.label_map))

    return replace(data, load=load)


@pytest.mark.parametrize("validation", ["within", "extra"])
def test_no_label_beside_the_n_reaches_the_teacher(tmp_path: Path, validation: str) -> None:
    """Labels of validation, of the pool and of the test part are poisoned: what is minted stays the same."""
    options = StudyOptions(n_train=(6,), size=(SIDE, SIDE), validation=validation)
    data, cell, found = real_data(20), Cell(6, 0), []
    spared = set(load_real(data, (SIDE, SIDE), options, lambda event: None).pairs(cell).training)
    for k, source in enumerate((data, poisoned(data, spared))):
        real = load_real(source, (SIDE, SIDE), options, lambda event: None)
        pool = open_unlabelled("rest", real, tmp_path, lambda event: None)
        assert pool is not None
        ground = replace(real.ground(cell), unlabelled=pool.of(cell)[:4])
        found.append(
            mint_for(
                ground,
                real.data,
                tmp_path / str(k),
                recipe=STRONG,
                config=TINY,
                seed=0,
                device="cpu",
                precision="32",
                report=lambda event: None,
            )
        )
    assert found[0]
    for clean, other in zip(*found, strict=True):
        assert clean.name == other.name
        assert np.array_equal(clean.ids, other.ids)
    weights = [sorted(tmp_path.glob(f"{k}/teacher-*/round-*/member-*/weights.safetensors")) for k in range(2)]
    assert len(weights[0]) == 6
    assert [one.read_bytes() for one in weights[0]] == [one.read_bytes() for one in weights[1]]


def test_the_teacher_computes_with_the_threads_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def begin(folder: EnsembleFolder, *about: Any) -> Hardware:
        found = true_begin(folder, *about)
        told.append((found.threads, torch.get_num_threads()))
        raise Stop

    told: list[tuple[int, int]] = []
    true_begin = EnsembleFolder.begin
    monkeypatch.setattr(EnsembleFolder, "begin", begin)
    real = load_real(real_data(20), (SIDE, SIDE), StudyOptions(size=(SIDE, SIDE)), lambda event: None)
    for threads in (3, 2):  # the folder has three, from a study that had more
        with computing_with(threads), pytest.raises(Stop):
            how: dict[str, Any] = {"recipe": STRONG, "config": TINY, "seed": 0}
            how |= {"device": "cpu", "precision": "32", "report": lambda event: None}
            mint_for(real.ground(Cell(6, 0)), real.data, tmp_path, **how)
    assert told == [(3, 3), (2, 2)]

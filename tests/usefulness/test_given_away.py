"""What synthetic pairs that are shared in place of the images give away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.usefulness.study_fakes import COMMON, Noise, Trainer, data_of, known, pairs, rule, run_study

from labelmint import study
from labelmint.datasets.pair import Pair
from labelmint.evaluation.views import Views
from labelmint.types import DataSet, Layout
from labelmint.usefulness.plan import Cell, StudyOptions
from labelmint.usefulness.real import load_real
from labelmint.usefulness.sharing import Shared, _views_of_whole, shared
from labelmint.usefulness.unlabelled import open_unlabelled


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])


def noisy() -> DataSet:
    """Seventy pairs whose images have nothing in common, ten of them for tests."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (70, 16, 16, 1), np.uint8)
    made = [
        replace(
            one,
            image=image,
            layout=Layout(label_map=np.kron(one.layout.label_map, np.ones((2, 2), np.uint8))),
        )
        for one, image in zip(pairs(70), images, strict=True)
    ]
    return data_of(made, [pair.name for pair in made[:10]])


def views_of(chosen: list[Pair]) -> Views:
    names = tuple(map(str, range(len(chosen))))
    images, labels = np.stack([one.image for one in chosen]), np.stack([one.ids for one in chosen])
    return Views(names=names, groups=names, images=images, labels=labels, instances=None)


def test_images_of_the_pool_that_a_generator_learned_from_are_members(tmp_path: Path) -> None:
    """Its samples are images of the pool: they are copies, and the pool is told, the ten labelled images are not."""
    real = load_real(noisy(), (16, 16), StudyOptions(size=(16, 16), share=True), lambda event: None)
    cell, pool = Cell(10, 0), open_unlabelled("rest", real, tmp_path, lambda event: None)
    assert pool is not None
    images = pool.of(cell)
    found = shared(cell, real, views_of(images), lambda event: None, pool=images)
    assert (found.auc_pool, found.pool) == (1, len(images))
    assert (found.copies or 0) > 0.5 * found.samples
    assert 0 < found.auc < 1  # where the others were of the pool it was 0
    # a generator that learned from pairs alone has not seen them
    assert shared(cell, real, views_of(images), lambda event: None).auc_pool is None
    # a study asks for that where its generators learn from the pool
    maker = Noise(refuses=("on",))  # what is shared is then what no filter has seen
    maker.from_pool = True
    options: dict[str, Any] = {**COMMON, "size": (16, 16), "n_train": (10,), "seeds": 1, "share": True}
    told = study(
        noisy(),
        tmp_path / "out",
        maker=maker,
        train_arm=Trainer(rule),
        **options | {"arms": ("A", "Y", "FM"), "unlabelled": "rest"},
    )
    assert "share_membership_pool.n10" in told.figures
    assert "of the pool 0." in told.verdict.reasons[0]  # though no arm S was asked for


def test_images_cut_into_tiles_are_attacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that have nothing to do with members of many tiles, or with the test images that stand beside these,
    tell neither; the others are whole images of the test part, and the same count of tiles is taken from each.
    """
    options = StudyOptions(size=(4, 4), crop=True, share=True)
    real, cell = load_real(noisy(), (4, 4), options, lambda event: None), Cell(52, 0)
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 255, (12, 4, 4, 1), np.uint8), np.zeros((12, 4, 4), np.int16)
    names = tuple(map(str, range(12)))
    noise = Views(names=names, groups=names, images=images, labels=labels, instances=None)
    found = shared(cell, real, noise, lambda event: None)
    assert (found.members, found.others) == (52, 10)  # not a hundred tiles
    assert 0.1 < found.auc < 0.9  # with tiles for others it was 1
    # of more tiles than can be looked at, whole images are left out
    monkeypatch.setattr("labelmint.usefulness.sharing._VIEWS", 40)
    seen = _views_of_whole(real.apart, (4, 4))
    assert {seen.names.count(name) for name in seen.names} == {16} and len(seen) == 32
    # which is told, and of a pool it is not those whose names come first
    looked: list[Sequence[str]] = []
    whole = _views_of_whole

    def noted(pairs: Sequence[Pair], size: tuple[int, int]) -> Views:
        looked.append([one.name for one in pairs])
        return whole(pairs, size)

    monkeypatch.setattr("labelmint.usefulness.sharing._views_of_whole", noted)
    monkeypatch.setattr("labelmint.usefulness.sharing._copies", lambda *about: (None, None, "not now"))
    pool = [real.fitted[name] for name in sorted(real.fitted)]
    found = shared(cell, real, noise, lambda event: None, pool=pool)
    assert (found.members, found.others, found.pool) == (2, 2, 2)
    assert looked[-1] != sorted(looked[-1]) == sorted(real.fitted)


def test_what_shared_pairs_give_away(tmp_path: Path) -> None:
    """Copies of the images that the generator was trained on are told, each of them, though two more of the ten are
    labelled; what a former version said of all ten is measured again.
    """
    data = noisy()
    real = load_real(data, (16, 16), StudyOptions(size=(16, 16)), lambda event: None)

    class Copier(Noise):
        def make(self, cell: Cell, *about: Any, **more: Any) -> Any:
            chosen = [real.fitted[name] for name in real.of_generator(cell).training]
            views, drawn = super().make(cell, *about, **more)
            assert views is not None
            taken = [chosen[k % len(chosen)] for k in range(len(views))]
            return replace(
                views,
                images=np.stack([one.image for one in taken]),
                labels=np.stack([one.ids for one in taken]),
            ), drawn

    options: dict[str, Any] = {
        **COMMON,
        "size": (16, 16),
        "n_train": (10,),
        "seeds": 2,
        "share": True,
        "samples": 20,
    }
    for _ in range(2):
        found = study(
            data, tmp_path / "out", maker=Copier(), train_arm=Trainer(known(0.05, alone=0.6)), **options
        )
        assert found.figures["share_membership.n10"].value == 1
        for file in (tmp_path / "out").rglob("given-away-*.json"):
            file.write_text(json.dumps(json.loads(file.read_text()) | {"members": 10, "auc": 0.9}))
    assert (found.figures["share_copies.n10"].value or 0) > 500
    assert "DO NOT SHARE" in found.verdict.reasons[0]
    assert found.figures["share.n10"].value == pytest.approx(9.5)


def test_the_budget_holds_for_what_pairs_give_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later call measures it."""
    clock = [0.0]
    monkeypatch.setattr("labelmint.usefulness.work.time.perf_counter", lambda: clock[0])
    measured: list[Cell] = []

    def measure(cell: Cell, *about: Any, **more: Any) -> Shared:
        measured.append(cell)
        return Shared(samples=12, copies=0, alarms=0.0, auc=0.5, members=8, others=10, seconds=1.0)

    monkeypatch.setattr("labelmint.usefulness.work.shared", measure)

    class Slow(Trainer):
        def __call__(self, *about: Any, **more: Any) -> Any:
            clock[0] += 60
            return super().__call__(*about, **more)

    options: dict[str, Any] = {"arms": ("A", "Y"), "share": True, "n_train": (10,), "seeds": 1}
    found = run_study(tmp_path / "out", Slow(known(), seconds=60.0), budget=3.0, **options)
    assert measured == []  # A twice and Y took all of it
    (left,) = [t for s in found.sections for t in s.tables if t.title.startswith("Left out")]
    assert left.rows == (("n = 10, seed 0: what samples give away",),)
    found = run_study(tmp_path / "out", Slow(known(), seconds=60.0), budget=3.0, **options)
    assert measured == [Cell(10, 0)]
    assert found.figures["share_membership.n10"].value == 0.5

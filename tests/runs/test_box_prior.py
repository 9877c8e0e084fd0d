"""Runs of `boxes`, their layouts for other runs, and the prior over boxes that any run has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import digits, tiny_settings

from labelmint.errors import InputError
from labelmint.layouts.wishes import Wish, Wishes
from labelmint.runs import box_prior as fitting
from labelmint.runs.box_prior import box_prior_of
from labelmint.runs.boxes_for import BoxesFor
from labelmint.runs.draw import Draw
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.types import AnnotatedImage

DRAW = Draw(seed=3, batch_size=4)
USUAL = {"layout_temperature": 1.0}


@pytest.fixture(scope="module")
def boxes_run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of `boxes` on digits of 32x32 pixels."""
    out = tmp_path_factory.mktemp("boxes") / "run"
    settings = tiny_settings("boxes")
    train(digits(), out, system="boxes", preset="tiny", settings=settings, precision="32", threads=1)
    return load(out, threads=1)


@pytest.fixture(scope="module")
def sees_boxes(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of obj-cgan on the same digits."""
    out = tmp_path_factory.mktemp("boxes") / "images"
    settings = tiny_settings("obj-cgan") | {"generator.steps": "2"}
    train(digits(), out, system="obj-cgan", preset="tiny", settings=settings, precision="32", threads=1)
    return load(out, threads=1)


def told(pair: AnnotatedImage) -> list[tuple[int, tuple[float, ...]]]:
    return [(one.class_id, one.box) for one in pair.layout.objects]


def test_a_generator_of_boxes_sees_those_that_were_drawn(
    boxes_run: TrainedSystem, sees_boxes: TrainedSystem
) -> None:
    system = sees_boxes.with_layouts_from(boxes_run)
    assert {dial.name for dial in system.dials} == {"layout_temperature"}
    prior = box_prior_of(boxes_run)
    drawn = prior.sample(DRAW.seeds("layout", range(4)), USUAL)
    assert drawn.boxes is not None
    pairs = system.chunk(0, DRAW)
    for pair, some in zip(pairs, drawn.boxes.numpy(), strict=True):
        there = some[some[:, 0] >= 0]
        assert len(told(pair)) == len(there)
        classes = [boxes_run.config.symbols[int(row[0])][0] for row in there]
        assert [class_id for class_id, _ in told(pair)] == classes
        assert np.allclose(np.reshape([box for _, box in told(pair)], (-1, 4)), there[:, 1:], atol=1e-4)
        assert pair.provenance["layouts"] == "drawn by a run of boxes"


def test_a_generator_of_maps_sees_shapes_in_them(boxes_run: TrainedSystem, minted: TrainedSystem) -> None:
    pairs = minted.with_layouts_from(boxes_run).chunk(0, DRAW)
    drawn = box_prior_of(boxes_run).sample(DRAW.seeds("layout", range(4)), USUAL)
    assert drawn.boxes is not None
    for pair, some in zip(pairs, drawn.boxes.numpy(), strict=True):
        there = some[some[:, 0] >= 0]
        inside = np.zeros(pair.layout.size, bool)
        for x0, y0, x1, y1 in np.rint(there[:, 1:]).astype(int):
            inside[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
        objects = pair.layout.label_map != 0
        # mint writes layouts in patterns, which round
        assert (objects & ~inside).mean() < 0.15


def test_a_run_killed_in_its_training_ends_with_the_same_weights(
    boxes_run: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelmint.training.loop import Loop

    over, settings = Loop.over, tiny_settings("boxes")

    def stops(self: Loop, asked: bool) -> bool:
        return over(self, asked or self.step == 6)

    def again() -> None:
        train(
            digits(),
            tmp_path / "run",
            system="boxes",
            preset="tiny",
            settings=settings,
            precision="32",
            threads=1,
        )

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "over", stops)
        with pytest.raises(KeyboardInterrupt):
            again()
    again()
    assert load(tmp_path / "run", threads=1).digest == boxes_run.digest


def test_any_run_has_a_prior_that_is_fitted_once(
    minted: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(minted.path, tmp_path / "run")
    run = load(tmp_path / "run", threads=1)
    monkeypatch.setattr(fitting, "_STEPS", 4)
    said: list[object] = []
    prior = box_prior_of(run, said.append)
    assert said and not list(run.path.glob("*.partial"))
    wishes = Wishes(objects=(Wish(class_id=3, within=(0, 0, 0.5, 1)),), most_of={3: 1})
    seeds = [(0, index) for index in range(3)]
    drawn = prior.sample(seeds, USUAL, wishes=[wishes, None, wishes])
    layouts = BoxesFor(run, prior, run).layouts(drawn, seeds)
    assert layouts.ids.shape == (3, *run.size) and layouts.boxes is None
    labels = [run.config.symbol_table.layout(ids, True) for ids in layouts.ids.numpy()]
    assert (labels[0].label_map == 3).any()

    monkeypatch.setattr(fitting, "_fit", lambda *rest: pytest.fail("fitted again"))
    again = box_prior_of(load(run.path, threads=1))
    assert again.digest == prior.digest != ""
    assert (again.sample(seeds, USUAL).ids == prior.sample(seeds, USUAL).ids).all()


def test_a_prior_that_is_fitted_twice_at_once_is_kept_once(
    minted: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(minted.path, tmp_path / "run")
    monkeypatch.setattr(fitting, "_STEPS", 4)
    fit, digests = fitting._fit, list[str]()

    def another_is_faster(*asked: Any) -> dict[str, float]:
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "_fit", fit)
            digests.append(box_prior_of(load(tmp_path / "run", threads=1)).digest)
        return fit(*asked)

    monkeypatch.setattr(fitting, "_fit", another_is_faster)
    digests.append(box_prior_of(load(tmp_path / "run", threads=1)).digest)
    assert digests[0] == digests[1] != ""
    assert not list((tmp_path / "run").glob("*.partial"))


def test_runs_that_do_not_go_together_are_refused(
    boxes_run: TrainedSystem, sees_boxes: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="boxes draws layouts alone"):
        next(boxes_run.synthesize(1))
    with pytest.raises(InputError, match="boxes draws layouts alone"):
        boxes_run.with_layouts_from(boxes_run)
    with monkeypatch.context() as patch:
        patch.setattr(sees_boxes.config, "salient", (1, 2))
        with pytest.raises(InputError, match="sees boxes of 0, 1 alone; give runs with the same `salient`"):
            sees_boxes.with_layouts_from(boxes_run)

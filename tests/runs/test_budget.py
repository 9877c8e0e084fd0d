"""The time budget of a training: what is counted, by which clock, and of which stage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from tests.helpers import TINY, digits

from labelmint.hardware import Hardware, open_fabric
from labelmint.runs import train as pipeline
from labelmint.training import clock as clock_module
from labelmint.training.regime import Bench, Learning, Stage
from labelmint.training.run_folder import RunFolder


class Time:
    """Two clocks; waiting moves that on the wall alone."""

    def __init__(self) -> None:
        self.wall, self.worked = 0.0, 0.0

    def perf_counter(self) -> float:
        return self.wall

    def process_time(self) -> float:
        return self.worked

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.worked += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(clock_module, "time", found)
    return found


class Slow:
    """A regime that takes 1.5 s before its first step, uses up its time, and takes half a second behind that."""

    settings = Learning()

    def __init__(self, time: Time) -> None:
        self.time = time

    def begin(self, *given: Any) -> None:
        self.time.work(1.5)

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        assert bench.seconds is not None
        self.time.work(bench.seconds + 0.5)
        return {"seconds": bench.seconds}


class _Ended(Exception):
    """Raised in place of a training."""


@pytest.mark.parametrize(("clock", "spent"), [("wall", 5.0), ("processor", 2.0)])
def test_loading_costs_of_the_budget_what_its_clock_counts(
    clock: Any, spent: float, time: Time, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prepare, taken = pipeline._prepared, list[float]()

    def slow(*given: Any) -> Any:
        time.work(2.0)
        time.wall += 3.0
        return prepare(*given)

    def note(*given: Any) -> None:
        taken.append(given[5])
        raise _Ended

    monkeypatch.setattr(pipeline, "_prepared", slow)
    monkeypatch.setattr(pipeline, "_train_stages", note)
    with pytest.raises(_Ended):
        pipeline.train(
            digits(),
            tmp_path / "run",
            system="msgnet",
            preset="tiny",
            settings=TINY,
            precision="32",
            threads=1,
            max_minutes=1,
            clock=clock,
        )
    assert taken == [spent]


def test_all_that_a_stage_takes_is_taken_from_what_is_left(time: Time, tmp_path: Path) -> None:
    stages = [
        Stage(name=name, module=torch.nn.Linear(1, 1), regime=cast(Any, Slow(time)))
        for name in ("a", "b", "c")
    ]
    request = SimpleNamespace(max_minutes=0.2, rebalance="none", clock="wall", endless=False)
    config = SimpleNamespace(request=request, threads=1, accumulate={})
    prepared = SimpleNamespace(
        training=SimpleNamespace(rebalanced=lambda how: None), validation=None, pool=None
    )
    run = RunFolder(tmp_path)
    run.save_checkpoint("b", {}, {"step": 1, "elapsed": 0.25})
    pipeline._train_stages(
        open_fabric(Hardware("cpu", "32-true", 1)),
        run,
        cast(Any, SimpleNamespace(stages=stages)),
        cast(Any, config),
        cast(Any, prepared),
        0.0,
        lambda event: None,
    )
    # 12 s: 4 and half a second behind; 7.5 / 2, a half behind and a quarter in an earlier process; 3 and a half
    taken = [run.load_part(name)[1]["seconds"] for name in ("a", "b", "c")]
    assert taken == pytest.approx([4.5, 4.5, 3.5])

"""The plan's parts of a batch: as few as memory asks for, stored in the run, and kept when it goes on; and of
the time.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers import TINY, digits

from labelmint.hardware import Hardware, open_fabric
from labelmint.progress import Event
from labelmint.runs import train as pipeline
from labelmint.runs.plan import SPARE, Plan, make_plan
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.systems.sections import with_values
from labelmint.training import likelihood
from labelmint.training import loop as stage_module
from labelmint.training.clock import learning_rate
from labelmint.training.regime import Bench
from labelmint.training.run_folder import RunFolder
from labelmint.training.tokens import TokenBatches

FEW = TINY | {"tokenizer.steps": "3", "prior.epochs": "1", "layout_prior.epochs": "1"}


def planned(trained: TrainedSystem, available: int | None) -> Plan:
    return make_plan(
        wire(trained.config),
        trained.config,
        views=40,
        data_bytes=0,
        device=torch.device("cpu"),
        timed=False,
        available=available,
    )


def test_a_batch_that_does_not_fit_is_taken_in_as_few_parts_as_fit(trained: TrainedSystem) -> None:
    whole = planned(trained, None)
    assert whole.accumulate == {}
    assert planned(trained, 1 << 40) == whole
    worst = max(whole.stages, key=lambda stage: stage.bytes)
    least = {stage.name: stage for stage in planned(trained, 1000).stages}[worst.name]
    assert least.accumulate == 8  # no more than there are images
    fewest = 1
    # less each time, and never too little
    for available in (worst.bytes, int(worst.bytes + SPARE * least.bytes) // 2):
        fitted = {stage.name: stage for stage in planned(trained, available).stages}[worst.name]
        assert fitted.accumulate > fewest
        assert SPARE * fitted.bytes <= available
        fewest = fitted.accumulate


class _Killed(Exception):
    pass


def _dies(event: Event) -> None:
    if event.stage == "prior" and event.step >= 4:
        raise _Killed


def test_parts_found_by_memory_are_stored_and_kept(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = max(stage.bytes for stage in planned(trained, None).stages)
    expected, run, free_memory = (
        planned(trained, free).accumulate,
        tmp_path / "run",
        pipeline.available_memory,
    )
    monkeypatch.setattr(stage_module, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(pipeline, "available_memory", lambda device: free)
    with pytest.raises(_Killed):
        train(
            digits(),
            run,
            system="msgnet",
            preset="tiny",
            settings=FEW,
            precision="32",
            threads=1,
            report=_dies,
        )
    stored = (run / "config.json").read_bytes()
    assert json.loads(stored)["accumulate"] == expected != {}
    monkeypatch.setattr(pipeline, "available_memory", free_memory)
    again = train(digits(), run, system="msgnet", preset="tiny", settings=FEW, precision="32", threads=1)
    assert (run / "config.json").read_bytes() == stored
    asked = FEW | {f"{name}.accumulate": str(parts) for name, parts in expected.items()}
    never_killed = train(
        digits(),
        tmp_path / "asked",
        system="msgnet",
        preset="tiny",
        settings=asked,
        precision="32",
        threads=1,
    )
    assert again.digest == never_killed.digest


def test_encoding_takes_from_the_time_of_a_prior_but_not_from_its_warm_up(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(TokenBatches):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            time.sleep(0.5)

    progress: list[float] = []

    def noted(highest: float, share: float) -> float:
        progress.append(share)
        return learning_rate(highest, share)

    monkeypatch.setattr(likelihood, "TokenBatches", Slow)
    monkeypatch.setattr(likelihood, "learning_rate", noted)
    pairs, events = trained.pairs_of(digits(40)), list[Event]()
    long = with_values(trained.config.request.settings, ["prior.epochs=1000", "prior.patience=1000"])
    request = trained.config.request.model_copy(update={"settings": long})
    _, stage, _ = wire(trained.config.model_copy(update={"request": request})).stages
    bench = Bench(
        fabric=open_fabric(Hardware("cpu", "32-true", 1)),
        run=RunFolder(tmp_path),
        training=pairs,
        validation=pairs,
        seconds=1.0,
        report=events.append,
    )
    about = stage.regime.train(stage, bench)
    assert progress[0] < 0.4
    assert about["seconds"] >= 1.0
    assert [(event.stage, event.step, event.steps) for event in events[:2]] == [
        ("encode for prior", 32, 40),
        ("encode for prior", 40, 40),
    ]

"""The plan's parts of a batch: as few as memory asks for, stored in the run, and kept when it goes on; and of
the time.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers import TINY, digits, tiny_settings

from labelmint.hardware import Hardware, open_fabric
from labelmint.progress import Event
from labelmint.runs import plan as plan_module
from labelmint.runs import train as pipeline
from labelmint.runs.plan import SPARE, Plan, make_plan
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts
from labelmint.training import likelihood
from labelmint.training import loop as stage_module
from labelmint.training.clock import learning_rate
from labelmint.training.regime import Bench
from labelmint.training.run_folder import RunFolder
from labelmint.training.tokens import TokenBatches
from labelmint.types import Batch, LayoutBatch

FEW = TINY | {"tokenizer.steps": "3", "prior.epochs": "1", "layout_prior.epochs": "1"}


def planned(trained: TrainedSystem, available: int | None, processes: int = 1, timed: bool = False) -> Plan:
    return make_plan(
        wire(trained.config),
        trained.config,
        views=40,
        data_bytes=0,
        device=torch.device("cpu"),
        timed=timed,
        available=available,
        processes=processes,
    )


def test_each_of_several_processes_holds_its_share_of_a_batch_alone(trained: TrainedSystem) -> None:
    alone, each = planned(trained, 1000), planned(trained, None, processes=8)
    assert [stage.accumulate for stage in alone.stages] == [8] * len(alone.stages)
    assert [stage.bytes for stage in each.stages] == [stage.bytes for stage in alone.stages]
    assert planned(trained, 1000, processes=8).accumulate == {}, "one image has no parts"


def test_seconds_are_those_of_the_clock_that_counts_the_minutes(
    trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock of one tick a look: passes take a tick each, whatever they took."""

    def seconds(tick: float) -> float:
        def ticking(kind: str, threads: int) -> Callable[[], float]:
            assert (kind, threads) == (trained.config.request.clock, trained.config.threads)
            looks = itertools.count()
            return lambda: tick * next(looks)

        monkeypatch.setattr(plan_module, "now_of", ticking)
        return planned(trained, None, timed=True).seconds

    assert seconds(1) > 0
    assert seconds(2) == pytest.approx(2 * seconds(1))


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


def test_the_tensors_of_a_step_are_counted(trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """More for more items, and no gradient is left of it."""
    found = list[tuple[int, int]]()

    def noted(step: Callable[[int], None], few: tuple[int, int], weights: Any) -> tuple[int, int]:
        found.append(plan_module.counted_peaks(step, few, weights))  # type: ignore[attr-defined]
        assert all(one.grad is None for one in weights)
        return found[-1]

    monkeypatch.setattr(plan_module, "_peaks", noted)
    stages = planned(trained, None).stages
    for (less, more), stage in zip(found, stages, strict=True):
        assert 0 < less < more < stage.bytes


def test_losses_are_those_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan measures what the loop computes: the discriminator judges images that are there already."""
    torch.manual_seed(0)
    system = SYSTEMS["spade"]
    settings = with_values(settings_of("spade", "tiny"), tiny_settings("spade"))
    (stage,) = system.wire(settings, Facts(1, (32, 32), 3)).stages
    networks = {player.name: player.module for player in stage.regime.players(stage.module)}
    batch = Batch(torch.rand(2, 1, 32, 32), LayoutBatch(torch.zeros(2, 32, 32, dtype=torch.uint8)))
    calls = list[str]()
    for name, network in networks.items():
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    assert all(loss.requires_grad for loss in stage.regime.losses(networks, batch))
    assert calls.count("module") == 1
    assert calls[-1] == "discriminator"


class _Killed(Exception):
    pass


def _dies(event: Event) -> None:
    if event.stage == "prior" and event.step >= 4:
        raise _Killed


@pytest.mark.slow
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
    """By a clock that only encoding and steps move on."""
    clock, progress = [0.0], list[float]()

    class Slow(TokenBatches):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            clock[0] += 0.5

    def noted(highest: float, share: float) -> float:
        progress.append(share)
        clock[0] += 0.125
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
        seconds=2.0,
        report=events.append,
        now=lambda: clock[0],
    )
    about = stage.regime.train(stage, bench)
    assert progress[0] == 0
    assert len(progress) == 12
    assert about["seconds"] == 2.0
    assert [(event.stage, event.step, event.steps) for event in events[:2]] == [
        ("encode for prior", 32, 40),
        ("encode for prior", 40, 40),
    ]

"""Threads by measurement: the fewest of the fastest, told once, and the run's own where it was trained on as
many cores.
"""

import time
from functools import partial
from pathlib import Path

import pytest
import torch

from labelmint import hardware
from labelmint.hardware import (
    choose_hardware,
    choose_threads,
    cores,
    fastest,
    measured_threads,
    threads_of_run,
)
from labelmint.runs.trained import TrainedSystem, load

CPU = torch.device("cpu")


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    hardware._fewest_of_the_fastest.cache_clear()


def takes(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> list[int]:
    """A machine of the largest of these numbers of cores, on which a step with so many threads takes so long;
    answers what was tried.
    """
    tried: list[int] = []

    def step(count: int, net: object, x: object) -> None:
        tried.append(count)
        time.sleep(seconds[count])

    monkeypatch.setattr(hardware, "cores", lambda: max(seconds))
    monkeypatch.setattr(hardware, "_with_threads", step)
    return tried


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 0.02, 4: 0.01, 8: 0.005}, 8),
        ({1: 0.005, 2: 0.02}, 1),
        ({1: 0.02, 8: 0.005, 16: 0.01}, 8),
        ({1: 0.02, 8: 0.005, 16: 0.005}, 8),
    ],
)
def test_the_fewest_of_the_fastest_threads_are_taken_and_measured_once(
    unmeasured: None, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], chosen: int
) -> None:
    tried = takes(monkeypatch, seconds)
    monkeypatch.setattr(hardware, "_GAIN", 1.4)  # the machine of the tests may be busy
    assert measured_threads(CPU) == chosen
    assert set(tried) == set(seconds)
    tried.clear()
    assert measured_threads(CPU) == chosen
    assert tried == []


def test_nothing_is_measured_where_there_is_no_choice(
    unmeasured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = takes(monkeypatch, {1: 0.0})
    assert measured_threads(CPU) == 1
    takes(monkeypatch, {1: 0.0, 8: 0.0})
    assert measured_threads(torch.device("cuda")) == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert measured_threads(CPU) == choose_threads(None) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert measured_threads(CPU) == 8
    assert choose_hardware("cpu", "32", 1, None).threads == 1
    assert tried == []


def test_a_measurement_leaves_threads_and_seeds_alone(
    unmeasured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    torch.manual_seed(3)
    expected, before = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(3)
    assert measured_threads(CPU) in (1, 2)
    assert torch.get_num_threads() == before
    assert torch.rand(3).equal(expected)


def test_steps_are_taken_in_turns_and_the_fastest_of_each_counts() -> None:
    taken: list[int] = []

    def step(number: int) -> None:
        time.sleep(0.03 if len(taken) < 4 else 0.001 * number)
        taken.append(number)

    seconds = fastest([partial(step, 1), partial(step, 20)], rounds=4)
    assert taken == 5 * [1, 20]  # the first round does not count
    assert seconds[0] < 0.02 <= seconds[1]
    slow: list[int] = []
    fastest([lambda: (time.sleep(0.02), slow.append(1))[1]], rounds=100, at_most=0.001)
    assert len(slow) == 3


def test_a_run_keeps_its_threads_where_as_many_cores_are_there(
    trained: TrainedSystem, unmeasured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trained.config
    assert config.cores == cores()
    elsewhere, older = (config.model_copy(update={"threads": 5, "cores": count}) for count in (4, 0))
    takes(monkeypatch, {1: 0.02, 2: 0.02, 4: 0.001})
    assert threads_of_run(elsewhere, CPU) == 5
    takes(monkeypatch, {1: 0.001, 3: 0.02, 6: 0.02})
    assert threads_of_run(elsewhere, CPU) == 1
    assert threads_of_run(older, CPU) == 5
    # a training that goes on keeps what it began with
    assert choose_hardware("cpu", "32", None, elsewhere).threads == 5
    torch.set_num_threads(1)


def test_told_threads_are_taken(trained: TrainedSystem, tmp_path: Path) -> None:
    assert load(trained.path, threads=2).threads_asked
    assert torch.get_num_threads() == 2
    assert not load(trained.path).threads_asked
    assert torch.get_num_threads() == 1

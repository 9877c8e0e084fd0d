"""Threads by measurement: the fewest of the fastest, told once, and the run's own where it was trained on as
many cores.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch

from labelmint import hardware
from labelmint.hardware import (
    available_memory,
    choose_hardware,
    choose_precision,
    choose_threads,
    cores,
    fastest,
    measured_threads,
    threads_of_run,
)
from labelmint.runs.trained import TrainedSystem, load

CPU = torch.device("cpu")
FASTER_IN_BFLOAT16 = hardware._faster_in_bfloat16  # before the session replaces it


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


@pytest.mark.parametrize(("half", "chosen"), [(0.7, "bf16-mixed"), (0.9, "32-true"), (3.0, "32-true")])
def test_bfloat16_is_taken_where_it_is_faster_by_a_fifth_and_measured_once(
    monkeypatch: pytest.MonkeyPatch, half: float, chosen: str
) -> None:
    measured: list[int] = []

    def seconds(steps: list[Callable[[], None]]) -> list[float]:
        for step in steps:
            step()
        measured.append(len(steps))
        return [1.0, half]

    monkeypatch.setattr(hardware, "_faster_in_bfloat16", cache(FASTER_IN_BFLOAT16.__wrapped__))
    monkeypatch.setattr(hardware, "fastest", seconds)
    monkeypatch.setattr(
        hardware, "_network_and_batch", lambda: (torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 4, 4))
    )
    assert [choose_precision("auto", CPU) for _ in range(2)] == [chosen, chosen]
    assert measured == [2]
    assert [choose_precision(asked, CPU) for asked in ("32", "bf16")] == ["32-true", "bf16-mixed"]


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


def test_the_memory_of_a_machine_is_shared_out_among_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = available_memory(torch.device("cpu"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert 4 * available_memory(torch.device("cpu")) == pytest.approx(alone, rel=0.5)


def group(folder: Path, **values: object) -> None:
    """A control group of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name.replace("memory_", "memory.")).write_text(f"{value}\n")


@pytest.mark.parametrize("within", ["/", "/slurm/job_1/step", "/unseen/by/a/container"])
def test_memory_is_what_every_control_group_leaves(within: str, tmp_path: Path) -> None:
    root, (second, first) = tmp_path / "cgroup", (tmp_path / "2", tmp_path / "1")
    second.write_text(f"0::{within}\n")
    group(root, memory_max=900, memory_current=300, memory_stat="anon 4\ninactive_file 100")
    group(root / "slurm" / "job_1", memory_max=500, memory_current=200, memory_stat="inactive_file 50")
    group(root / "slurm" / "job_1" / "step", memory_max="max", memory_current=1, memory_stat="anon 1")
    assert min(hardware._left_in_groups(second, root)) == (350 if "slurm" in within else 700)
    first.write_text(f"5:cpu,cpuacct:/x\n4:blkio,memory:{within}\n0::/\n")
    memory = {"memory_usage_in_bytes": 60, "memory_stat": "inactive_file 1\ntotal_inactive_file 10"}
    group(root / "memory", memory_limit_in_bytes=1 << 63, **memory)
    group(root / "memory" / "slurm" / "job_1" / "step", memory_limit_in_bytes=100, **memory)
    assert min(hardware._left_in_groups(first, root)) == (50 if "slurm" in within else 700)
    assert list(hardware._left_in_groups(tmp_path / "none", tmp_path / "no")) == [1 << 62]

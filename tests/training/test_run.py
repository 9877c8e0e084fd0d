"""Run folder, clock and schedule."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch

from labelmint.errors import InputError
from labelmint.training.clock import Clock, learning_rate, now_of, stop_on_interrupt
from labelmint.training.run_folder import FORMAT_VERSION, RunFolder


def test_parts_come_back_equal_and_drop_their_checkpoint(tmp_path: Path) -> None:
    run, weights = RunFolder(tmp_path), {"a": torch.randn(3, 4), "b": torch.arange(5)}
    run.save_checkpoint("prior", weights, {"step": 3})
    tensors, where = run.load_checkpoint("prior") or ({}, {})
    assert where == {"step": 3}
    assert run.elapsed("prior") == 0
    run.save_checkpoint("prior", weights, {"step": 3, "elapsed": 1.5})
    assert (run.elapsed("prior"), run.elapsed("layout_prior")) == (1.5, 0)
    assert not run.finished("prior")
    run.save_part("prior", weights, {"note": "x"})
    assert run.finished("prior")
    assert run.load_checkpoint("prior") is None
    again, about = run.load_part("prior")
    assert about["note"] == "x"
    assert all(again[key].equal(weights[key]) and tensors[key].equal(weights[key]) for key in weights)


def test_the_log_rewinds_to_a_checkpoint_and_survives_a_torn_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in range(5):
        run.log({"stage": "tokenizer", "step": step})
    run.log({"stage": "prior", "step": 4})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"stage": "pri')
    run.rewind_log("tokenizer", 2)
    assert [(row["stage"], row["step"]) for row in run.read_log()] == [
        *(("tokenizer", s) for s in range(3)),
        ("prior", 4),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "JSON object"),
        ("{}", "no format_version"),
        (json.dumps({"format_version": FORMAT_VERSION + 1}), "newer labelmint"),
        ("{", "not valid JSON"),
    ],
)
def test_configurations_that_can_not_be_read_say_why(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=said):
        RunFolder(tmp_path).read_config()


def test_without_a_time_budget_progress_is_a_function_of_the_step() -> None:
    clock = Clock(10, None, elapsed=1e6)
    assert [clock.progress(step) for step in (0, 5, 10, 20)] == [0, 0.5, 1, 1]
    assert (clock.over(9), clock.over(10)) == (False, True)
    late = Clock(10**9, seconds=5.0, elapsed=6.0)
    assert late.over(0)
    assert late.progress(0) == 1


def test_a_time_budget_alone_ends_an_endless_stage() -> None:
    half = Clock(10, 4.0, elapsed=2.0, now=lambda: 0.0, endless=True)
    assert not half.over(10**6)
    assert half.progress(10**6) == 0.5
    assert half.seconds_left(10**6, speed=1e9) == 2.0
    assert Clock(10, 4.0, elapsed=4.0, now=lambda: 0.0, endless=True).over(0)
    assert Clock(10, None, endless=True).over(10), "without a time budget nothing is endless"


def test_the_processor_s_clock_stands_still_while_the_process_waits() -> None:
    begin, (wall, work) = time.perf_counter(), (now_of("wall", 2), now_of("processor", 2))
    before, worked = wall(), work()
    time.sleep(0.05)
    assert wall() - before >= 0.05 and work() - worked < 0.02
    while time.process_time() < 2 * worked + 0.02:
        pass
    assert Clock(10, 1.0, now=lambda: begin + 9).elapsed == 0.0
    assert work() - worked >= 0.009


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(2.0, p / 100) for p in range(101)]
    peak = rates.index(max(rates))
    assert 0 < peak <= 10
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) <= 2.0
    assert rates[-1] == pytest.approx(0)
    assert rates[0] > 0


def test_the_first_interrupt_asks_and_the_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before

"""Training end to end: the law of runs, and what a run folder holds."""

import itertools
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from tests.helpers import TINY, digits, tiny_settings
from tests.runs.aside import train_aside, train_by_two

from labelmint.errors import InputError
from labelmint.progress import Event
from labelmint.runs.train import plan, train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.runs.wire import wire
from labelmint.training import clock as clock_module
from labelmint.training import loop as stage_module


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All weights of a run."""
    parts = ("tokenizer", "prior", "layout_prior")
    return {
        f"{part}.{k}": v for part in parts for k, v in load_file(run / part / "weights.safetensors").items()
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_holds_all_that_it_promises(trained: TrainedSystem) -> None:
    run = trained.path
    assert {"config.json", "split.json", "log.jsonl", "curves.png", "reconstructions.png", "samples.png"} <= {
        p.name for p in run.iterdir()
    }
    split = json.loads((run / "split.json").read_text())
    assert len(split["training"]) + len(split["validation"]) == 48
    assert not {*split["training"], *split["validation"]} & set(split["test"])
    stages = {json.loads(line)["stage"] for line in (run / "log.jsonl").read_text().splitlines()}
    assert stages == {"tokenizer", "prior", "layout_prior"}
    assert not list(run.rglob("*checkpoint*"))
    assert not list(run.rglob("*.partial"))


def test_training_lowers_the_held_out_losses(trained: TrainedSystem) -> None:
    rows = [json.loads(line) for line in (trained.path / "log.jsonl").read_text().splitlines()]
    for stage, key in (
        ("tokenizer", "held_out_mse"),
        ("prior", "held_out_nats"),
        ("layout_prior", "held_out_nats"),
    ):
        losses = [row[key] for row in rows if row["stage"] == stage and key in row]
        assert losses[-1] < losses[0], stage


class _Killed(Exception):
    pass


def _again(run: Path, system: str = "msgnet", report: Callable[[Event], None] | None = None) -> list[Event]:
    """Run the same training again; what it reports."""
    events: list[Event] = []
    settings = tiny_settings(system)
    train(
        digits(),
        run,
        system=system,
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
        report=report or events.append,
    )
    return events


def _first_step(events: list[Event]) -> tuple[str, int]:
    """The stage and step that training began with."""
    return next(
        (event.stage, event.step)
        for event in events
        if event.stage != "data" and not event.stage.startswith("encode")
    )


def _stopped(
    run: Path, system: str, stage: str, step: int, stop: Callable[[], None], how: type[BaseException]
) -> tuple[str, int]:
    """Train on, and call `stop` at a step of a stage; the stage and step that training began with."""
    events, called = list[Event](), list[int]()

    def report(event: Event) -> None:
        events.append(event)
        if event.stage == stage and event.step >= step and not called:
            called.append(event.step)
            stop()

    with pytest.raises(how):
        _again(run, system, report)
    assert (run / stage / "checkpoint.safetensors").is_file()
    return _first_step(events)


def _kill() -> None:
    raise _Killed


@pytest.mark.parametrize("system", ["msgnet", pytest.param("mint", marks=pytest.mark.slow)])
def test_a_run_killed_and_stopped_again_and_again_ends_with_the_weights_of_one_left_alone(
    run_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    run, whole = tmp_path / "run", run_of(system)
    run.mkdir()
    (run / ".config.json.partial").write_text("{")  # killed before its first file was whole
    status, said = train_aside(run, system, kill_at=("tokenizer", 15))
    assert status == -signal.SIGKILL, said[-500:]
    assert (run / "tokenizer" / "checkpoint.safetensors").is_file()

    def killed(stage: str, step: int) -> tuple[str, int]:
        with monkeypatch.context() as patch:
            patch.setattr(stage_module, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
            return _stopped(run, system, stage, step, _kill, _Killed)

    def asked_to_stop(stage: str, step: int, number: signal.Signals) -> tuple[str, int]:
        """By a signal, which saves first: nothing else does within these seconds."""
        return _stopped(run, system, stage, step, lambda: signal.raise_signal(number), KeyboardInterrupt)

    begun = [
        killed("prior", 4),
        asked_to_stop("prior", 8, signal.SIGINT),
        asked_to_stop("layout_prior", 4, signal.SIGTERM),
        _first_step(_again(run, system)),
    ]
    assert [stage for stage, _ in begun] == ["tokenizer", "prior", "prior", "layout_prior"]
    least = (15, 4, 9, 5)
    assert all(step >= one for (_, step), one in zip(begun, least, strict=True)), f"it began anew: {begun}"
    assert same(weights(run), weights(whole))
    assert load(run).digest == load(whole).digest


def test_the_stored_choices_are_taken_again_unless_others_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, few = (
        tmp_path / "run",
        TINY | {"tokenizer.steps": "3", "prior.epochs": "1", "layout_prior.epochs": "1"},
    )
    train(
        digits(24), run, system="msgnet", preset="tiny", settings=few, precision="32", threads=1, force=True
    )
    before = (run / "config.json").read_bytes()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    train(digits(24), run, system="msgnet", preset="tiny", settings=few, force=True)
    assert (run / "config.json").read_bytes() == before
    assert torch.get_num_threads() == 1
    # nothing is left to train with other choices
    train(
        digits(24), run, system="msgnet", preset="tiny", settings=few, precision="bf16", threads=2, force=True
    )
    assert (run / "config.json").read_bytes() == before
    assert torch.get_num_threads() == 2


@pytest.mark.slow
@pytest.mark.parametrize("system", ["msgnet", "mint"])
def test_two_processes_train_the_same_model(system: str, tmp_path: Path) -> None:
    few = tiny_settings(system) | {
        "tokenizer.steps": "15",
        "prior.epochs": "1",
        "layout_prior.epochs": "1",
        "prior.dropout": "0",
        "layout_prior.dropout": "0",
        "prior.token_noise": "0",
    }
    one, two = tmp_path / "one", tmp_path / "two"
    status, said = train_by_two(two, system, few)
    assert status == 0, said[-2000:]
    digests = [Path(f"{two}.digest{rank}").read_text() for rank in (0, 1)]
    assert len(digests[0]) == 64
    assert digests[0] == digests[1], "the processes drifted apart"
    train(digits(), one, system=system, preset="tiny", settings=few, precision="32", threads=1)
    fresh = {
        f"{s.name}.{k}": v for s in wire(load(one).config).stages for k, v in s.module.state_dict().items()
    }
    alone, together = weights(one), weights(two)
    chosen = [
        key for key in alone if not key.startswith("tokenizer.quantizers") and alone[key].is_floating_point()
    ]
    for part in (".encoder.", ".decoder."):  # the priors learn the codebooks' numbers, which chance gives out
        keys = [key for key in chosen if key.startswith("tokenizer.") and part in key]
        apart = sum(float((together[key] - alone[key]).square().sum()) for key in keys)
        learned = sum(float((alone[key] - fresh[key]).square().sum()) for key in keys)
        assert apart < 0.1 * learned, f"{part}: {apart:.3g} apart, {learned:.3g} learned"


@pytest.mark.slow
@pytest.mark.parametrize("system", ["spade", "bicyclegan", "pix2pixhd", "flow", "layout2im"])
def test_two_processes_stay_together(system: str, tmp_path: Path) -> None:
    few = tiny_settings(system) | {"generator.steps": "4", "generator.batch_size": "4"}
    status, said = train_by_two(tmp_path / "two", system, few, (32, 32))
    assert status == 0, said[-2000:]
    assert "Grad strides" not in said
    digests = [(tmp_path / f"two.digest{rank}").read_text() for rank in (0, 1)]
    assert len(digests[0]) == 64
    assert digests[0] == digests[1], "the processes drifted apart"


def test_a_loss_that_is_no_number_ends_in_one_line_that_names_the_setting(tmp_path: Path) -> None:
    absurd = TINY | {"prior.learning_rate": "1e30", "prior.epochs": "30"}
    with pytest.raises(InputError, match=r"lower prior\.learning_rate"):
        train(
            digits(),
            tmp_path / "run",
            system="msgnet",
            preset="tiny",
            settings=absurd,
            precision="32",
            threads=1,
        )


def test_a_full_disk_is_an_os_error_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, said = train_aside(run, "msgnet", largest_file=60_000)
    assert status == 1
    assert "OSError" in said.splitlines()[-1], said[-500:]
    assert not list(run.rglob("*.safetensors*"))


def test_a_time_budget_ends_with_a_usable_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on by 100 ms whenever it is looked at."""
    ticks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: 0.1 * next(ticks))
    monkeypatch.setattr(clock_module, "time", clock)
    endless = TINY | {"tokenizer.steps": "1000000", "prior.epochs": "100000", "layout_prior.epochs": "100000"}
    run, said = tmp_path / "run", list[str]()
    system = train(
        digits(),
        run,
        system="msgnet",
        preset="tiny",
        settings=endless,
        max_minutes=0.1,
        precision="32",
        threads=1,
        report=lambda event: said.append(event.message),
    )
    abouts = [
        json.loads((run / part / "part.json").read_text()) for part in ("tokenizer", "prior", "layout_prior")
    ]
    assert all(about["steps"] >= 1 for about in abouts)
    assert sum(about["seconds"] for about in abouts) < 6 + 3 * 1.0
    assert len(list(system.synthesize(2))) == 2
    assert sum("it has learned little" in text for text in said) == 3, "once a stage"


def test_fewer_than_twenty_pairs_train_with_force(tmp_path: Path) -> None:
    few = TINY | {"tokenizer.steps": "3", "prior.epochs": "1", "layout_prior.epochs": "1"}
    assert train(
        digits(12),
        tmp_path / "run",
        system="msgnet",
        preset="tiny",
        settings=few,
        force=True,
        precision="32",
        threads=1,
    ).classes


def test_a_plan_counts_what_training_will_use_and_writes_nothing(
    tmp_path: Path, trained: TrainedSystem
) -> None:
    made = plan(digits(), system="msgnet", preset="tiny", settings=TINY, precision="32", threads=1)
    stages = {stage.name: stage for stage in made.stages}
    assert stages["tokenizer"].tokens == 128
    assert stages["layout_prior"].tokens == 256
    built = sum(stage.parameters for stage in made.stages)
    saved = sum(
        v.numel() for k, v in weights(trained.path).items() if not k.endswith((".counts", ".sums", ".ready"))
    )
    assert built == saved
    assert made.seconds > 0
    assert made.to_json()["configuration"]["request"]["settings"]["prior"]["channels"] == 16
    assert not list(tmp_path.iterdir())

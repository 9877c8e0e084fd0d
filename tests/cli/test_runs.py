"""The verbs of runs and shards, as a person types them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from labelmint.progress import Event
from labelmint.training.tensorboard import for_tensorboard


def test_runs_and_their_cards(command: Any, mint_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(mint_run, tmp_path / "mine")
    (tmp_path / "worse").mkdir()
    (tmp_path / "worse" / "config.json").write_text("{}")
    told = command("runs", tmp_path)
    assert (told.code, told.out.splitlines()[0].split()[:2]) == (0, ["run", "system"])
    assert "\nmine " in told.out and "\nworse: " in told.out
    mine, worse = command("runs", tmp_path, "--json").json
    assert mine["system"] == "mint" and mine["obedience"] is None and "no format_version" in worse["problem"]
    assert command("card", run, "--license", "mit").code == 0
    assert (run / "README.md").read_text().startswith("---\nlicense: mit")
    for words, said in (
        (("card", run), "exists already"),
        (("card", tmp_path / "worse"), "no format_version"),
        (("card", run, "--out", tmp_path / "no" / "a.md"), "its folder is missing"),
        (("card", run, "--license", " "), "expected one line of text"),
        (("runs", tmp_path / "none"), "no such folder"),
    ):
        answer = command(*words)
        assert (answer.code, len(answer.err.splitlines())) == (2, 1) and said in answer.err


def test_shards_are_drawn_and_joined(command: Any, mint_run: Path, tmp_path: Path) -> None:
    for k in range(2):
        words = ("--shard", f"{k}/2", "-n", 6, "--batch-size", 2, "--filter", "off", "--threads", 1)
        assert command("synthesize", mint_run, "--out", tmp_path / f"s{k}", *words).code == 0
    parts = [tmp_path / f"s{k}" for k in range(2)]
    assert command("join", *parts, tmp_path / "all", "-n", 5, "--json").json["pairs"] == 5
    assert len(list((tmp_path / "all" / "images").iterdir())) == 5
    for words, said in (
        ((parts[0],), "expected shards and the folder"),
        ((parts[0], tmp_path / "x"), "shard 1/2 of its export is missing"),
        ((*parts, tmp_path / "x", "-n", 7), "these shards hold 6 pairs"),
        ((*parts, parts[0]), "not an empty folder"),
    ):
        answer = command("join", *words)
        assert (answer.code, len(answer.err.splitlines())) == (2, 1) and said in answer.err
    assert not (tmp_path / "x").exists()


def test_an_unknown_log_and_a_missing_one_are_refused_at_once(
    command: Any, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    for log, said in (
        ("wandb", "expected tensorboard"),
        ("tensorboard", "pip install 'labelmint[tensorboard]'"),
    ):
        answer = command("train", digits_folder, "--out", tmp_path / "run", "--log", log)
        assert answer.code == 2 and said in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs TensorBoard")
@pytest.mark.filterwarnings("ignore")
def test_losses_reach_tensorboard_and_the_report(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told: list[Event] = []
    report = for_tensorboard(tmp_path / "log", told.append)
    report(Event("prior", 0, 2, message="begins"))
    assert not (tmp_path / "log").exists()
    for step in (1, 2):
        report(Event("prior", step, 2, losses={"nats": 3.0 - step}))
    assert len(told) == 3
    read = EventAccumulator(str(tmp_path / "log"))
    read.Reload()
    assert [(one.step, one.value) for one in read.Scalars("prior/nats")] == [(1, 2.0), (2, 1.0)]

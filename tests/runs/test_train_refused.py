"""What training and loading refuse, in one line."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.helpers import TINY, contents, digits, tiny_settings

from labelmint.errors import InputError
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.storage import alone


def made(change: dict[str, object]) -> dict[str, object]:
    """The arguments with the data sets made that are given as functions."""
    return {key: value() if callable(value) else value for key, value in change.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": TINY | {"prior.channels": "24"}}, "prior.channels is 16 there and 24 now"),
        ({"seed": 1}, "seed is 0 there and 1 now"),
        (
            {"system": "pre-msgnet", "settings": tiny_settings("pre-msgnet")},
            "system is 'msgnet' there and 'pre-msgnet' now",
        ),
        ({"data": lambda: digits(60, seed=5)}, "the data or their parts differ"),
    ],
)
def test_a_run_made_otherwise_is_never_overwritten(
    trained: TrainedSystem, change: dict[str, object], said: str
) -> None:
    before = contents(trained.path)
    arguments: dict[str, object] = {
        "data": digits(),
        "system": "msgnet",
        "preset": "tiny",
        "settings": TINY,
        "precision": "32",
        "threads": 1,
    } | made(change)
    with pytest.raises(InputError, match="holds a run made otherwise") as refusal:
        train(out=trained.path, **arguments)  # type: ignore[arg-type]
    assert said in str(refusal.value)
    assert contents(trained.path) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "msgnett"}, "did you mean 'msgnet'"),
        ({"preset": "smal"}, "did you mean 'small'"),
        ({"settings": ["prior.chanels=9"]}, "did you mean 'prior.channels'"),
        ({"settings": ["prior.channels=many"]}, "--set prior.channels=many"),
        ({"settings": ["prior.dropout=1.5"]}, "less than 1"),
        ({"settings": ["prior.channels"]}, "KEY=VALUE"),
        ({"settings": ["prior.kernel_columns=4"]}, "must be odd"),
        (
            {"system": "vqgan-t", "settings": ["layout_tokenizer.adversary=0.8"]},
            "--set layout_tokenizer.adversary=0.8: is of a tokenizer of images",
        ),
        (
            {"system": "vqgan-t", "settings": ["tokenizer.semantic_weight=0.3"]},
            "--set tokenizer.semantic_weight=0.3: weighs layouts",
        ),
        ({"size": (30, 33)}, "nearest size that fits is 32x32"),
        ({"size": (0, 32)}, "expected at least 1x1"),
        ({"augment": ["spin"]}, "flips, mirror, turns"),
        ({"augment": ["turns"], "size": (32, 64)}, "square"),
        ({"crop": True, "size": (64, 64)}, "smaller than the crop"),
        ({"device": "cuda"}, "there is no GPU"),
        ({"device": "abacus"}, "expected auto, cpu, cuda"),
        ({"precision": "8"}, "expected auto, 32 or bf16"),
        ({"threads": 0}, "expected 1 or more"),
        ({"threads": 100_000}, "at most 1024"),
        ({"seed": 10**30}, "2^63"),
        ({"settings": ["prior.learning_rate=inf"]}, "finite"),
        (
            {"group_by": "(d)", "data": lambda: dataclasses.replace(digits(40), train=None, test=None)},
            "let --group-by find",
        ),
        ({"max_minutes": 0}, "more than 0"),
        ({"max_minutes": float("inf")}, "more than 0"),
        ({"group_by": "("}, "not a regular expression"),
        ({"group_by": "nothing"}, "does not match the name"),
        ({"data": lambda: digits(20)}, "fewer than 20"),
        ({"settings": ["tokenizer.batch_size=10000000"]}, "lower tokenizer.batch_size"),
        ({"size": (512, 512), "settings": ["prior.batch_size=65536"]}, "GiB of memory"),
    ],
)
def test_bad_requests_are_refused_in_one_line_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments: dict[str, object] = {"data": digits(40), "system": "msgnet", "preset": "tiny"} | made(change)
    with pytest.raises(InputError) as refusal:
        train(out=tmp_path / "run", **arguments)  # type: ignore[arg-type]
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is not a run folder"):
        train(digits(), tmp_path, system="msgnet", preset="tiny", settings=TINY)
    with pytest.raises(InputError, match="not a run folder"):
        load(tmp_path)


def test_two_commands_do_not_train_one_run_at_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with alone(run), pytest.raises(InputError, match="another command works there"):
        train(digits(), run, system="msgnet", preset="tiny", settings=TINY, precision="32", threads=1)
    assert [*run.iterdir()] == []


def test_damaged_newer_and_unfinished_runs_are_refused(trained: TrainedSystem, tmp_path: Path) -> None:
    def copy() -> Path:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        return Path(shutil.copytree(trained.path, tmp_path / "run"))

    run = copy()
    with (run / "prior" / "weights.safetensors").open("r+b") as file:
        file.seek(2000)
        file.write(b"\0\1\2\3")
    with pytest.raises(InputError, match=r"prior.weights\.safetensors: the weight file is damaged"):
        load(run)
    run = copy()
    content = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(content | {"format_version": 99}))
    with pytest.raises(InputError, match="newer labelmint"):
        load(run)
    (run / "config.json").write_text("{not json")
    with pytest.raises(InputError, match="not valid JSON"):
        load(run)
    run = copy()
    (run / "prior" / "part.json").unlink()
    with pytest.raises(InputError, match="has not finished"):
        load(run)

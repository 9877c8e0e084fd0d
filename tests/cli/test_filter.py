"""`labelmint synthesize --filter` from end to end: off without a judge, on with one, and what is refused in
one line.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import Command

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.formats import read
from labelmint.segmenters.judge import train_judge
from labelmint.segmenters.standard import RealData, digest_of_images
from labelmint.segmenters.unet import SegmenterConfig

SMALL = SegmenterConfig(channels=(4, 8), residual_units=0, steps=8, batch_size=8, evaluate_every=8)


@pytest.fixture(scope="module")
def judged(tiny_run: Path, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny run with a hasty judge. Tests that change it copy it."""
    run = tmp_path_factory.mktemp("judged") / "run"
    shutil.copytree(tiny_run, run)
    data, parts = read(digits_folder), json.loads((run / "split.json").read_text())
    pairs = {name: data.load(name) for name in (*parts["training"], *parts["validation"])}

    def part(which: str) -> Pairs:
        chosen = [pairs[name] for name in parts[which]]
        labels = [np.searchsorted(data.classes.ids, one.layout.label_map).astype(np.int16) for one in chosen]
        return Pairs([one.image for one in chosen], labels, Geometry(size=(32, 32)), 0)

    about = RealData(
        source=str(digits_folder),
        format=data.format,
        training=tuple(parts["training"]),
        validation=tuple(parts["validation"]),
        class_ids=data.classes.ids,
        image_channels=1,
        digest=digest_of_images(pairs, [one.image for one in pairs.values()]),
    )
    train_judge(
        run,
        "key",
        part("training"),
        part("validation"),
        image_channels=1,
        classes=len(data.classes),
        foreground=tuple(range(1, 11)),
        config=SMALL,
        device=torch.device("cpu"),
        precision="32",
        data=about,
        report=lambda event: None,
    )
    # A hasty judge can't tell good digits from bad ones; here it lets all of them pass.
    file = run / "judge" / "part.json"
    stored = json.loads(file.read_text())
    stored["standard"]["scores"] = [0.0, 0.0, 0.9]
    file.write_text(json.dumps(stored))
    return run


def test_it_is_off_without_a_judge_and_says_so(command: Command, tiny_run: Path, tmp_path: Path) -> None:
    found = command("synthesize", tiny_run, "--out", tmp_path / "new", "-n", 2, "--batch-size", 4)
    assert found.code == 0
    assert "filter off" in found.out
    assert (
        command(
            "synthesize", tiny_run, "--out", tmp_path / "json", "-n", 2, "--batch-size", 4, "--json"
        ).json["filter"]
        is None
    )


def test_it_is_on_with_one_and_counts(command: Command, judged: Path, tmp_path: Path) -> None:
    found = command("synthesize", judged, "--out", tmp_path / "new", "-n", 3, "--batch-size", 4)
    assert found.code == 0, found.err
    assert "drawn, 0 dropped by the filter (agreement under 0.00)" in found.out
    assert "withheld as near-copies" in found.out
    assert "warning: the judge reaches a Dice of only" in found.err
    assert len(read(tmp_path / "new")) == 3
    filtered = command(
        "synthesize", judged, "--out", tmp_path / "json", "-n", 3, "--batch-size", 4, "--json"
    ).json["filter"]
    assert filtered["mode"] == "on"
    assert filtered["accepted"] == 3
    assert filtered["drawn"] == 3 + sum(filtered["dropped"].values())


def test_a_limit_that_is_hit_is_told_in_one_line_and_writes_nothing(
    command: Command, judged: Path, tmp_path: Path
) -> None:
    found = command(
        "synthesize",
        judged,
        "--out",
        tmp_path / "new",
        "-n",
        3,
        "--batch-size",
        4,
        "--filter-share",
        99,
        "--most-candidates",
        4,
    )
    assert found.code == 2
    assert "of 4 candidates 0 passed the filter and 3 are wanted" in found.err.splitlines()[-1]
    assert not (tmp_path / "new").exists()


def test_bad_input_is_told_in_one_line_with_what_mends_it(
    command: Command, tiny_run: Path, judged: Path, tmp_path: Path
) -> None:
    old, torn = tmp_path / "old", tmp_path / "torn"
    for copy in (old, torn):
        shutil.copytree(judged, copy)
    stored = json.loads((old / "judge" / "part.json").read_text())
    (old / "judge" / "part.json").write_text(
        json.dumps({key: value for key, value in stored.items() if key != "standard"})
    )
    (torn / "judge" / "weights.safetensors").write_bytes(b"torn")
    cases: list[tuple[Path, tuple[object, ...], tuple[str, ...]]] = [
        (
            tiny_run,
            ("--filter", "on"),
            ("holds no judge", "labelmint evaluate RUN DATA --out REPORT", "--filter off"),
        ),
        (tiny_run, ("--filter", "ignore"), ("holds no judge",)),
        (tiny_run, ("--most-candidates", 9), ("--most-candidates: only has a meaning with a filter",)),
        (tiny_run, ("--data", tiny_run), ("--data: only has a meaning with a filter",)),
        (old, (), ("older version", "labelmint evaluate", "--filter off")),
        (torn, (), ("damaged", "labelmint evaluate")),
        (judged, ("--filter", "sometimes"), ("expected one of auto, on, ignore, off",)),
        (judged, ("--filter-share", 100), ("--filter-share 100",)),
        (judged, ("--most-candidates", 1), ("expected at least as many as pairs are wanted, 2",)),
        (judged, ("--data", tmp_path / "nowhere"), ("nowhere",)),
        (judged, ("--data", tmp_path), (str(tmp_path),)),
    ]
    for run, words, said in cases:
        found = command("synthesize", run, "--out", tmp_path / "new", "-n", 2, *words)
        assert found.code == 2
        last = found.err.splitlines()[-1]
        assert last.startswith("labelmint: error: ")
        assert all(one in last for one in said), last
        assert not (tmp_path / "new").exists()

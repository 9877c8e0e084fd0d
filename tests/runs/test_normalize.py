"""A run that learns from images spread from their own ranges: what it draws has the range of a training pair."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import TINY, digits

from labelmint.datasets.ranges import range_of
from labelmint.errors import InputError
from labelmint.evaluation.evaluate import evaluate
from labelmint.runs.draw import Draw
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.synthesis import mint
from labelmint.synthesis.filter import open_filter
from labelmint.types import AnnotatedImage, DataSet

SHORT = TINY | {
    "tokenizer.steps": "20",
    "tokenizer.evaluate_every": "10",
    "prior.epochs": "1",
    "layout_prior.epochs": "1",
}
JUDGE = SegmenterConfig(channels=(8, 16), residual_units=1, steps=20, batch_size=8, evaluate_every=10)


def dimmed() -> DataSet:
    """Digits, each of which was taken with another offset and gain."""
    data = digits()
    ranges = dict(zip(data.names, np.random.default_rng(0).uniform((0, 40), (30, 90), (60, 2)), strict=True))

    def load_one(name: str) -> AnnotatedImage:
        pair, (low, high) = data.load(name), ranges[name]
        return replace(pair, image=(low + pair.image / 255 * (high - low)).round().astype(np.uint8))

    return replace(data, load=load_one)


def train_in(out: Path) -> TrainedSystem:
    """The run of this file, trained or gone on with in a folder."""
    return train(
        dimmed(),
        out,
        system="msgnet",
        preset="tiny",
        settings=SHORT,
        precision="32",
        threads=1,
        normalize="image",
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    return train_in(tmp_path_factory.mktemp("normalize") / "run")


def test_each_drawn_image_has_the_range_of_a_training_pair(run: TrainedSystem) -> None:
    data = dimmed()
    trained = json.loads((run.path / "split.json").read_text())["training"]
    assert run.ranges is not None
    assert run.ranges.names == tuple(trained)
    pairs, again = run.chunk(0, Draw(batch_size=8)), load(run.path).chunk(0, Draw(batch_size=8))
    names = [pair.provenance["range"] for pair in pairs]
    assert len(set(names)) > 2
    for pair, other in zip(pairs, again, strict=True):
        taken = range_of(data.load(pair.provenance["range"]).image)
        assert run.ranges.range((0, int(pair.provenance["index"]))) == taken
        assert pair.image.mean() < 95
        np.testing.assert_array_equal(pair.image, other.image)


def test_the_manifest_names_the_pair_and_another_choice_is_refused(
    run: TrainedSystem, tmp_path: Path
) -> None:
    out = mint(run, tmp_path / "out", n=3, start=2, batch_size=4, filter="off")
    assert run.ranges is not None
    for row in map(json.loads, (out / "manifest.jsonl").read_text().splitlines()):
        assert row["range"] == run.ranges.name((0, row["index"]))
    with pytest.raises(InputError, match="normalize is 'image' there and 'none' now"):
        train(dimmed(), run.path, system="msgnet", preset="tiny", settings=SHORT, precision="32", threads=1)


@pytest.mark.usefixtures("obedience_alone")
def test_the_judge_and_the_gate_see_images_as_the_run_does(run: TrainedSystem, tmp_path: Path) -> None:
    evaluate(
        run.path, dimmed(), tmp_path / "report", n=20, judge=JUDGE, reader_steps=5, threads=1, precision="32"
    )
    sieve = open_filter(run, "on")
    assert sieve is not None
    assert sieve.normalize == "image"
    sieve.prepare(run, dimmed(), lambda event: None)  # which refuses images that differ from the judge's
    pairs = [dimmed().load(name) for name in dimmed().names[:3]]
    spread = [replace(pair, image=range_of(pair.image).spread(pair.image)) for pair in pairs]
    for one, other in zip(sieve.reading(pairs), sieve.reading(spread), strict=True):
        assert one.agreement == pytest.approx(other.agreement, abs=0.05)
    with pytest.raises(InputError, match="is a run, which knows its own"):
        evaluate(run.path, dimmed(), tmp_path / "other", normalize="image")


def test_a_run_killed_before_its_split_and_ranges_were_written_gets_them_when_it_goes_on(
    run: TrainedSystem, tmp_path: Path
) -> None:
    killed, names = tmp_path / "run", ("split.json", "ranges.json")
    shutil.copytree(run.path, killed)
    for name in names:
        (killed / name).unlink()
    with pytest.raises(InputError, match=r"lacks ranges\.json"):
        load(killed).chunk(0, Draw(batch_size=8))
    train_in(killed)
    for name in names:
        assert (killed / name).read_bytes() == (run.path / name).read_bytes()

"""`labelmint` with images without labels: what is drawn, written, measured, and what is refused in one line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command
from tests.conftest import RunOf

from labelmint import evaluate
from labelmint.evaluation.options import Options
from labelmint.formats import read
from labelmint.formats.images_alone import UNLABELLED
from labelmint.segmenters.unet import SegmenterConfig

SMALL = SegmenterConfig(channels=(4, 8), residual_units=0, steps=8, batch_size=8, evaluate_every=8)


@pytest.fixture
def run(run_of: RunOf) -> Path:
    return run_of("biggan")


def test_images_are_written_alone_and_the_card_says_so(run: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    words = ("synthesize", run, "--out", out, "-n", 3, "--batch-size", 4, "--dial", "truncation=1")
    answer = command(*words)
    assert answer.code == 0, answer.err
    assert "wrote 3 new images by biggan" in answer.out and "layouts: none" in answer.out
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["images"]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# 3 synthetic images without labels") and "| class |" not in card
    row = json.loads((out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (row["layout"], row["objects"], row["pixels"], row["dials"]) == (None, {}, {}, {"truncation": 1.0})
    data = read(out, alone=True)
    assert data.classes == UNLABELLED
    assert data[0].provenance["layouts"] == "none"
    for format in ("imagefolder", "webdataset"):
        other = tmp_path / format
        assert command(*words[:3], other, *words[4:], "--format", format).code == 0
        again = read(other, alone=True)
        assert all(np.array_equal(a.image, b.image) for a, b in zip(data, again, strict=True))
    found = command("inspect", out)
    assert "3 images without labels" in found.out and "train with --system biggan" in found.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--format", "coco"),
            "--format coco: needs labels, and these are images without; take folder, imagefolder",
        ),
        (("--vary",), "learned from images without labels, so there is nothing to vary"),
        (
            ("--per-layout", 2),
            "--per-layout 2: .* learned from images without labels, so there are no layouts",
        ),
        (("--filter", "on"), "--filter on: .* the judge has nothing to hold images to"),
        (("--dial", "truncation=0"), "--dial truncation=0: expected a number from 0.01 to 5"),
        (("--temperature", 1), "biggan has no temperature; its dials: truncation"),
    ],
)
def test_what_needs_layouts_is_refused(
    more: tuple[object, ...], said: str, run: Path, tmp_path: Path, command: Command
) -> None:
    answer = command("synthesize", run, "--out", tmp_path / "out", "-n", 3, "--batch-size", 4, *more)
    assert answer.code != 0 and len(answer.err.strip().splitlines()) == 1
    assert re.search(said, answer.err), answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("synthesize", "RUN", "--out", "OUT", "-n", 3, "--layouts", "DATA"), "so there are no layouts"),
        (("synthesize", "RUN", "--out", "OUT", "-n", 3, "--layouts-from", "RUN"), "uses no layouts"),
        (
            ("study", "DATA", "--out", "OUT", "--system", "biggan", "--preset", "tiny"),
            "no segmenter learns from",
        ),
        (
            ("compare", "DATA", "--out", "OUT", "--systems", "mint,biggan", "--preset", "tiny"),
            "uses no layouts",
        ),
        (("explain", "RUN", "DATA", "--out", "OUT"), "biggan"),
        (("train", "RUN/layouts", "--out", "OUT", "--system", "biggan"), "no images found"),
        (("train", "IMAGES", "--out", "OUT", "--preset", "tiny"), "labels are missing"),
        (("train", "IMAGES", "--out", "OUT", "--format-in", "images"), "mint learns from labels"),
        (("train", "IMAGES", "--out", "OUT", "--system", "biggan"), "only 1 pairs to train on"),
        (
            ("evaluate", "RUN", "IMAGES", "--out", "OUT", "--format-in", "images"),
            "the judge that compares images",
        ),
        (("inspect", "IMAGES", "--size", "16x16"), "--size: is about labels"),
    ],
)
def test_other_commands_refuse_in_one_line(
    words: tuple[object, ...], said: str, run: Path, digits_folder: Path, tmp_path: Path, command: Command
) -> None:
    images = tmp_path / "images alone"
    images.mkdir()
    Image.new("L", (32, 32)).save(images / "a.png")
    places = {"RUN": run, "RUN/layouts": run / "layouts", "DATA": digits_folder, "IMAGES": images}
    given = [places.get(str(word), tmp_path / "out" if word == "OUT" else word) for word in words]
    answer = command(*given)
    assert answer.code != 0
    assert said in answer.err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_evaluating_says_what_can_be_said_of_images(run: Path, digits_folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    options = Options(n=20, judge=SMALL, resamples=4, threads=1, precision="32")
    found = evaluate(own, digits_folder, tmp_path / "report", options)
    names = set(found.figures)
    assert {"memorization.copies_per_1000", "fidelity.coverage", "fidelity.frechet_distance"} <= names
    assert not any(name.startswith(("obedience", "coherence", "layouts")) for name in names)
    assert "images" in found.verdict.text

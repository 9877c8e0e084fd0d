"""The verb `evaluate`: what it prints and writes, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command

from labelmint.reports.files import read_report

FEW = ("-n", 20, "--judge-steps", 2, "--threads", 1)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short reader, few resamples and a small judge, for which the verb has no options."""
    import labelmint.evaluation.evaluate  # noqa: F401  # which needs the class itself
    from labelmint.evaluation import options
    from labelmint.segmenters.unet import SegmenterConfig

    whole = options.Options
    small = SegmenterConfig(channels=(8, 16), residual_units=1, steps=2, batch_size=8, evaluate_every=2)

    def made(**given: Any) -> options.Options:
        return whole(**{**given, "judge": small, "reader_steps": 2, "resamples": 20})

    monkeypatch.setattr(options, "Options", made)


def test_it_prints_a_verdict_and_says_where_the_report_is(
    short: None,
    command: Command,
    tiny_run: Path,
    digits_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, out = shutil.copytree(tiny_run, tmp_path / "run"), tmp_path / "out"
    answer = command("evaluate", run, digits_folder, "--out", out, *FEW, "--composition", "pairs")
    assert answer.code == 0, answer.err
    assert "Obedience ratio" in answer.out
    assert "Copies per 1,000" in answer.out
    assert str(out / "report.html") in answer.out
    assert "<!doctype html>" in (out / "report.html").read_text(encoding="utf-8").lower()
    # once more as JSON; that it says the same again is tested with the function
    monkeypatch.setattr("labelmint.evaluation.evaluate.evaluate", lambda *words, **more: read_report(out))
    again = command("evaluate", run, digits_folder, "--out", out, *FEW, "--composition", "pairs", "--json")
    assert again.code == 0, again.err
    assert again.json["figures"]["memorization.copies_per_1000"] is not None
    assert {path.name for path in out.iterdir()} >= {
        "report.html",
        "report.json",
        "overview.png",
        "worst.png",
        "synthetic",
    }
    assert not list(out.glob("*.partial"))


@pytest.fixture(scope="module")
def places(tiny_run: Path, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What may be named in a command. To be read only."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "weights.pt").write_bytes(pickle.dumps({"conv": [1, 2]}))
    other = Path(shutil.copytree(digits_folder, folder / "other"))
    for k, file in enumerate(sorted((other / "images").iterdir())):
        noise = np.random.default_rng(k).integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(noise).save(file)
    untested = Path(shutil.copytree(digits_folder, folder / "untested"))
    (untested / "test.txt").unlink()
    return {
        "run": tiny_run,
        "data": digits_folder,
        "pickle": folder / "weights.pt",
        "nowhere": folder / "nowhere",
        "other": other,
        "untested": untested,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{run}", "{data}", "-n", 5), "at least 20"),
        (("{run}", "{data}", "--composition", "stars"), "expected one of pairs"),
        (("{run}", "{data}", "--seed", 10**30), "expected a number from 0 to 2^63 - 1"),
        (("{run}", "{data}", "--size", "32x32"), "knows its own size"),
        (("{run}", "{data}", "--temperature", 0), "temperature"),
        (("{run}", "{data}", "--device", "cuda:7"), "cuda:7"),
        (("{run}", "{data}", "--fid-weights", "{pickle}"), "weights.pt"),
        (("{run}", "{data}", "--lpips-weights", "{nowhere}"), "nowhere"),
        (("{nowhere}", "{data}"), "nowhere"),
        (("{run}", "{nowhere}"), "nowhere"),
        (("{data}", "{data}"), "as synthetic and as real"),
        (("{other}", "{data}", "--size", "16x16"), "give --size as the synthetic images are"),
        (("{other}", "{data}", "--size", "large"), "expected HEIGHTxWIDTH"),
        (("{other}", "{data}", "--augment", "spins"), "unknown"),
        (("{other}", "{data}", "--scale", 2), "--crop"),
        (("{other}", "{untested}"), "no test part"),
    ],
)
def test_bad_requests_get_one_line(
    command: Command, places: dict[str, Path], tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    filled = [str(word).format(**places) for word in words]
    answer = command("evaluate", *filled, "--out", tmp_path / "out", "--judge-steps", 1)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert (
        len(
            [
                line
                for line in answer.err.splitlines()
                if line.startswith("labelmint: error") or "error" in line.lower()
            ]
        )
        == 1
    )
    assert not (tmp_path / "out" / "report.json").exists()

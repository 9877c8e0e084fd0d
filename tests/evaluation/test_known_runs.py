"""Runs are listed, and written about, from what lies in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import labelmint
from labelmint.errors import InputError
from labelmint.evaluation.known_runs import Known, known_run, known_runs
from labelmint.evaluation.model_card import model_card
from labelmint.reports.files import write_report
from labelmint.reports.results import Figure, Results, Section, Verdict


def report(folder: Path, weights: str, value: float | None) -> None:
    """A report of an evaluation of such weights."""
    figure = Figure(
        name="obedience.ratio", title="Obedience ratio", value=value, refused="" if value else "too few pairs"
    )
    section = Section(name="obedience", title="Obedience", figures=(figure,))
    verdict = Verdict(level="good", text="Labels are true.")
    write_report(
        Results(title="t", verdict=verdict, headline=("obedience.ratio",), sections=(section,)), folder
    )
    (folder / "request.json").write_text(json.dumps({"weights": weights}))


@pytest.fixture
def place(mint_run: Path, tmp_path: Path) -> Path:
    """A folder of a run and what is none."""
    shutil.copytree(mint_run, tmp_path / "b")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_runs_are_listed_by_name_with_what_is_wrong_of_broken_ones(place: Path) -> None:
    shutil.copytree(place / "b", place / "a")
    (place / "a" / "prior" / "part.json").unlink()
    for name, text in (("c", "{"), ("d", '{"format_version": 99}'), ("e", '{"format_version": 2}')):
        (place / name).mkdir()
        (place / name / "config.json").write_text(text)
    found = known_runs(place)
    assert list(found) == ["a", "b", "c", "d", "e"]
    for name, said in {
        "a": "not finished (prior",
        "c": "JSON",
        "d": "newer labelmint",
        "e": "Field required",
    }.items():
        problem = found[name]
        assert isinstance(problem, str) and said in problem
    known = found["b"]
    assert isinstance(known, Known) and known.digest == labelmint.load(place / "b").digest
    assert known.steps == sum(one.steps for one in known.learned) > 0 and known.minutes > 0
    assert known.obedience is None
    assert list(known_runs(place / "b")) == ["b"]
    for bad, said in ((place / "none", "no such folder"), (place / "notes", "holds no run")):
        with pytest.raises(InputError, match=said):
            known_runs(bad)


def test_the_newest_report_of_these_weights_counts(place: Path) -> None:
    import os

    digest = known_run(place / "b").digest
    report(place / "old", digest, 0.5)
    report(place / "b" / "report", digest, 0.75)
    report(place / "other", "0123", 0.9)
    os.utime(place / "old" / "report.json", (1, 1))
    (place / "broken").mkdir()
    (place / "broken" / "report.json").write_text("{")
    assert known_run(place / "b").obedience == 0.75
    report(place / "refused", digest, None)
    os.utime(place / "b" / "report" / "report.json", (2, 2))
    assert known_run(place / "b").obedience is None


def test_a_card_says_what_the_run_is_and_holds_no_path(place: Path) -> None:
    bare = model_card(known_run(place / "b"))
    assert "Nobody has measured it" in bare and bare.count("fill it in before") == 2
    report(place / "b" / "report", known_run(place / "b").digest, 0.75)
    text = model_card(known_run(place / "b"), license="mit", data_license="CC BY 4.0")
    assert text.startswith("---\nlicense: mit\n") and "CC BY 4.0" in text and "fill it in" not in text
    assert "| Obedience ratio | 0.75 |" in text and "Labels are true." in text
    assert "labelmint synthesize b --out new-data" in text and str(place) not in text
    settings = text.partition("```json\n")[2].partition("```")[0]
    assert json.loads(settings)["system"] == "mint"


@pytest.mark.parametrize(
    ("system", "said"),
    [("boxes", "draws layouts of boxes"), ("rdn", "enlarges the images (grey) of other runs")],
)
def test_a_run_for_the_images_of_others_is_not_said_to_draw_its_own(
    place: Path, system: str, said: str
) -> None:
    known = known_run(place / "b")
    request = known.config.request.model_copy(update={"system": system})
    text = model_card(known._replace(config=known.config.model_copy(update={"request": request})))
    assert said in text and "draws new images" not in text
    assert "Every image that is drawn with it is synthetic" in text

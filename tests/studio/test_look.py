"""The view Look over HTTP: the newest report, its pictures and no other file, samples by doubt, the rarest images."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers import digits
from tests.studio.page import Page, served
from tests.studio.reported import RESULTS, Knowing, samples, session_with_report

from labelmint.datasets.rare_images import rarest
from labelmint.reports.files import write_report
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.found_report import newest_report
from labelmint.studio.session import Session


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("look")


@pytest.fixture(scope="module")
def session(trained: TrainedSystem, place: Path) -> Session:
    return session_with_report(trained, place)


@pytest.fixture(scope="module")
def page(session: Session) -> Iterator[Page]:
    with served(session) as page:
        yield page


def test_the_report_is_shown_in_the_words_of_its_page(page: Page, place: Path) -> None:
    state = page.ask("/api/look").json
    report = state["report"]
    assert (state["folder"], report["level"], report["answer"]) == (
        str(place / "report"),
        "mixed",
        "It is so so.",
    )
    (section,) = report["sections"]
    first, second = section["figures"]
    assert [first[name] for name in ("value", "interval", "real")] == ["0.812", "0.700 to 0.900", "0.950"]
    assert second["refused"] == "not computed: needs 100 samples, not 3"
    assert section["tables"][0]["rows"] == [["a", "1,234"], ["b", "-"]]
    assert section["charts"][0]["svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert [figure["title"] for figure in report["headline"]] == ["Ratio"]
    assert page.ask("/api/look/picture?file=overview.png").headers["content-type"] == "image/png"


def test_the_newest_report_of_these_weights_is_taken(
    session: Session, trained: TrainedSystem, tmp_path: Path
) -> None:
    for name, seconds in (("old", 1000), ("new", 2000), ("other", 3000)):
        weights = "other" if name == "other" else "mine"
        write_report(RESULTS, tmp_path / name)
        (tmp_path / name / "request.json").write_text(
            json.dumps({"evaluation": 1, "weights": weights}), encoding="utf-8"
        )
        os.utime(tmp_path / name / "report.json", (seconds, seconds))
    assert newest_report(tmp_path / "run", "mine") == tmp_path / "new"
    assert newest_report(tmp_path / "run", "nobody's") is None
    run = session.system.path
    assert newest_report(run, trained.digest) == run.with_name("report")


def test_no_file_but_the_pictures_of_the_report_is_read(page: Page, place: Path) -> None:
    for name in (
        "../secret.png",
        "%2e%2e/secret.png",
        "..%2fsecret.png",
        str(place / "secret.png"),
        "link.png",
        "text.png",
        "report.json",
        "synthetic",
        "synthetic/images/kept.png",
        "./overview.png",
        "overview.png%00",
        "",
        "/etc/passwd",
    ):
        reply = page.ask(f"/api/look/picture?file={name}")
        assert (reply.status, "has no picture" in reply.json["error"]) == (400, True), name
    for asked in (
        "sample?place=../0",
        "sample?place=0&kind=../x",
        "rare?id=../1&place=0",
        "rare?id=1&place=-1",
    ):
        assert page.ask(f"/api/look/{asked}").status == 400, asked


def test_what_the_judge_reads_differently_comes_first(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmint.synthesis.filter.load_judge", lambda path, device: Knowing())
    *progress, found = page.ask("/api/look/doubt", {}).lines
    assert progress == [{"done": 3, "of": 3}]
    wrong = found["samples"][0]
    assert (wrong["name"], wrong["dropped"], found["dropped"]) == (samples()[1].name, True, 1)
    assert [one["agreement"] for one in found["samples"]] == sorted(
        one["agreement"] for one in found["samples"]
    )
    shown = {
        kind: page.ask(f"/api/look/sample?place=0&kind={kind}").body for kind in ("overlay", "read", "doubt")
    }
    assert len(set(shown.values())) == 3
    right = len(samples()) - 1
    agreed = [page.ask(f"/api/look/sample?place={right}&kind={kind}").body for kind in ("overlay", "read")]
    assert agreed[0] == agreed[1]  # the judge reads its label
    assert page.ask("/api/look/doubt", {}).lines == [found]  # read once


def test_the_rarest_training_images_are_those_of_inspect(page: Page, session: Session) -> None:
    assert page.ask("/api/look/rare?id=1&place=0").status == 400  # not found yet
    *progress, found = page.ask("/api/look/rare", {}).lines
    training = json.loads((session.system.path / "split.json").read_text(encoding="utf-8"))["training"]
    assert progress[-1] == {"done": len(training), "of": len(training)}
    wanted = rarest(digits().subset(training), 8)
    assert {one["id"]: one["names"] for one in found["classes"]} == wanted
    first = found["classes"][0]["id"]
    for kind in ("image", "overlay"):
        reply = page.ask(f"/api/look/rare?id={first}&place=0&kind={kind}")
        assert reply.headers["content-type"] == "image/png"
    assert page.ask("/api/look").json["rare"] == found["classes"]


def test_where_nothing_is_there_the_command_that_makes_it_is_said(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    system = copy.copy(trained)
    system.path = tmp_path / "my run"
    system.path.mkdir()
    with served(Session(system)) as page:
        state = page.ask("/api/look").json
        assert state["report"] is None
        run = f"{tmp_path}/my run"
        assert state["command"] == f"labelmint evaluate '{run}' DATA --out '{run}-report'"
        assert "There is no report yet" in state["no_samples"]
        assert "--data DATA" in state["no_rare"]
        for path in ("doubt", "rare"):
            (line,) = page.ask(f"/api/look/{path}", {}).lines
            assert "error" in line

"""The view Label over HTTP: the labels, what is decided about them, and nothing outside of them."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.studio.minted_labels import SIDE, disk, write_minted
from tests.studio.page import Page, as_map, as_text, served

import labelmint
from labelmint.pictures import overlay
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.checking import open_checking
from labelmint.studio.session import Session
from labelmint.types import Array


@pytest.fixture(scope="module")
def session(trained: TrainedSystem, tmp_path_factory: pytest.TempPathFactory) -> Session:
    place = tmp_path_factory.mktemp("label")
    return Session(trained, checking=open_checking(write_minted(place / "minted")))


@pytest.fixture(scope="module")
def page(session: Session) -> Iterator[Page]:
    with served(session) as page:
        yield page


def pixels(page: Page, asked: str) -> Array:
    reply = page.ask(f"/api/label/picture?{asked}")
    assert reply.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(reply.body)))


def test_labels_are_shown_corrected_and_exported(page: Page, session: Session) -> None:
    assert session.checking is not None
    state = page.ask("/api/label").json
    assert [line["name"] for line in state["lines"]] == ["p2", "p0", "p3", "p1"]
    assert (state["doubt"], state["eraser"], state["formats"][0]) == (False, 0, "folder")
    image, label = disk(2)
    assert np.array_equal(pixels(page, "place=0&kind=image"), image[:, :, 0])
    over = overlay(image, session.checking.minted(0).layout, session.checking.data.classes)
    assert np.array_equal(pixels(page, "place=0&kind=overlay"), over)
    layout = page.ask("/api/label/layout?place=0").json
    ids, objects = (as_map(layout[name], (SIDE, SIDE)).copy() for name in ("ids", "instances"))
    assert np.array_equal(ids, label)
    ids[0, :5], objects[0, :5] = 1, 2
    body = {"place": 0, "ids": as_text(ids), "instances": as_text(objects)}
    assert page.ask("/api/label/correct", body).json["state"] == "corrected"
    assert page.ask("/api/label/decide", {"place": 1, "decided": "accepted"}).json["state"] == "accepted"
    counts = page.ask("/api/label/decide", {"place": 2, "decided": "sent back"}).json["counts"]
    assert counts == {"accepted": 1, "corrected": 1, "sent back": 1, "left": 1}
    assert not np.array_equal(pixels(page, "place=0&kind=overlay"), over)  # the corrected label
    written = page.ask("/api/label/export", {"format": "folder"}).json
    assert written["lost"] == []
    read = labelmint.read(written["out"])
    assert np.array_equal(read.load("p2").layout.label_map, ids)
    state = page.ask("/api/label").json  # as a page that is loaded again sees it
    assert [line["state"] for line in state["lines"]] == ["corrected", "accepted", "sent back", "left"]
    assert page.ask("/api/label/revert", {"place": 0}).json["state"] == "left"
    assert np.array_equal(pixels(page, "place=0&kind=overlay"), over)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/label/picture?place=4", None, "place: expected a whole number from 0 to 3"),
        ("/api/label/picture?place=../../secret", None, "place: expected a whole number"),
        ("/api/label/picture?place=0&kind=/etc/passwd", None, "kind: expected image, overlay or doubt"),
        ("/api/label/picture?place=0&kind=doubt", None, "segmenters that minted these labels are not beside"),
        ("/api/label/layout?place=p0", None, "place: expected a whole number"),
        ("/api/label/decide", {"place": 0, "decided": "loved"}, "got 'loved'"),
        ("/api/label/decide", {"place": 0}, "decided: expected a text"),
        ("/api/label/correct", {"place": 0, "ids": "AAAA"}, "expected a map of 16x16 pixels"),
        ("/api/label/revert", {"place": -1}, "place: expected a whole number"),
        ("/api/label/export", {"format": "../folder"}, "format '../folder' is unknown"),
    ],
)
def test_bad_input_gets_one_line(page: Page, path: str, body: Any, said: str) -> None:
    page.ask("/api/label/decide", {"place": 1, "decided": "accepted"})
    reply = page.ask(path, body)
    assert reply.status == 400
    assert said in reply.json["error"]
    assert "\n" not in reply.json["error"]


def test_the_doubt_of_the_segmenters_lies_over_the_image(
    session: Session, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = np.linspace(0, 0.6, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)

    class Maps:
        def of(self, data: labelmint.DataSet, name: str, size: tuple[int, int]) -> Array:
            assert (name, size) == ("p2", (SIDE, SIDE))
            return doubt

    monkeypatch.setattr("labelmint.studio.label._maps", lambda session: Maps())
    shown = pixels(page, "place=0&kind=doubt")
    assert tuple(shown[-1, -1]) == (255, 106, 0)  # doubt of 0.5 and more
    grey = round(0.7 * int(disk(2)[0][0, 0, 0]))
    assert tuple(shown[0, 0]) == (grey, grey, grey)


def test_without_labels_the_commands_are_said(trained: TrainedSystem) -> None:
    with served(Session(copy.copy(trained))) as page:
        state = page.ask("/api/label").json
        assert state["source"] is None
        assert state["commands"][0].startswith("labelmint label POOL --from DATA")
        reply = page.ask("/api/label/picture?place=0")
        assert (reply.status, "--labels DIR" in reply.json["error"]) == (400, True)

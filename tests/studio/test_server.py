"""The page over HTTP: who may ask, what is replied, and what bad input gets."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers import digits
from tests.studio.page import Page, as_map, as_text, served

import labelmint
from labelmint.errors import InputError
from labelmint.pictures import overlay
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.server import bound
from labelmint.studio.session import Session
from labelmint.studio.views import VIEWS
from labelmint.types import Array


@pytest.fixture(scope="module")
def session(trained: TrainedSystem, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(trained, digits(8), tmp_path_factory.mktemp("studio") / "kept")


@pytest.fixture(scope="module")
def page(session: Session) -> Iterator[Page]:
    with served(session) as page:
        yield page


def pixels(page: Page, key: str, kind: str = "image") -> Array:
    reply = page.ask(f"/api/picture?key={key}&kind={kind}")
    assert reply.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(reply.body)))


# Who may ask ------------------------------------------------------------------------------------------------


def test_another_name_of_this_address_is_refused(page: Page) -> None:
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", f"127.0.0.1:{page.port + 1}", ""):
        reply = page.ask("/", Host=host)
        assert (reply.status, b"studio-token" in reply.body) == (403, False)
    assert page.ask("/", Host=f"localhost:{page.port}").status == 200


def test_only_who_was_told_the_token_gets_in(page: Page) -> None:
    """Another user of the machine knows the port, and no more: every path is refused, that of the page first."""
    name, token = page.cookie.split("=")
    for cookie in ("", f"{name}=", f"{name}=x{token}", f"other={token}", f"other-{name}={token}"):
        for path in ("/", "/?token=", "/?token=x", "/page/studio.js", "/api/about", "/nowhere"):
            reply = page.ask(path, Cookie=cookie)
            assert reply.status == 403, (cookie, path)
            assert "open the whole address" in reply.json["error"]
            assert "set-cookie" not in reply.headers
            assert token not in reply.body.decode()
        assert page.ask("/api/mint/draw", {"n": 1}, Cookie=cookie).status == 403
    assert page.ask("/api/about", Cookie=f"a=b; {page.cookie}").status == 200
    said = page.ask(f"/?token={token}", Cookie="").headers["set-cookie"]
    assert said == f"{name}={token}; Path=/; HttpOnly; SameSite=Strict"
    assert str(page.port) in name  # cookies know no ports: two studios do not take each other's


def test_what_changes_anything_needs_the_token_and_this_origin(page: Page) -> None:
    wish = {"n": 1}
    own = f"http://127.0.0.1:{page.port}"
    for headers in (
        {"x_studio_token": ""},
        {"x_studio_token": "0" * 32},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        reply = page.ask("/api/mint/draw", wish, **headers)
        assert reply.status == 403
        assert reply.json["error"]
    assert page.ask("/api/mint/draw", wish, Origin=own).status == 200


def test_nothing_comes_from_elsewhere_and_nothing_goes_there(page: Page) -> None:
    for path in ("/", "/page/studio.js", "/api/about", "/nowhere"):
        headers = page.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_no_path_leads_to_a_file_that_is_no_part_of_the_page(page: Page, session: Session) -> None:
    assert session.out is not None
    secret = session.out.parent / "secret"
    secret.write_text("secret", encoding="utf-8")
    (session.out.parent / "link").symlink_to(secret)
    up = "../" * 12
    for path in (
        "/page/../server.py",
        "/page/%2e%2e/server.py",
        "/page/..%2fserver.py",
        f"/page/{up}etc/passwd",
        "/page//etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        f"/page/{secret}",
        f"/{session.out.parent / 'link'}",
        f"/page/studio.css/{up}etc/passwd",
        "/page/",
        "/page/studio.css%00.png",
        f"/{session.system.path}/config.json",
        "/config.json",
        "/kept/link",
    ):
        assert page.ask(path).status == 404, path
    for key in ("../secret", str(secret), "%2e%2e/secret"):
        assert page.ask(f"/api/picture?key={key}").status == 400
        assert page.ask(f"/api/mint/nearest?key={key}").status == 400


def test_every_file_of_the_page_is_served_and_loads_nothing_else(page: Page) -> None:
    there = {path.name for path in resources.files("labelmint.studio").joinpath("page").iterdir()}
    names = {"index.html"}
    for name in sorted(there - names):
        reply = page.ask(f"/page/{name}")
        assert reply.status == 200, name
        text = reply.body.decode()
        names.add(name)
        for loaded in re.findall(r"from \"([^\"]+)\"", text):
            assert loaded.removeprefix("./") in there, (name, loaded)
        assert set(re.findall(r"https?://[^\"'\s)]+", text)) <= {"http://www.w3.org/2000/svg"}, name
    index = page.ask("/").body.decode()
    assert not re.findall(r"https?://|style=|<script(?! type=\"module\" src)", index)
    assert {f"{view.name}.js" for view in VIEWS} <= there == names


# What is replied --------------------------------------------------------------------------------------------


def test_what_is_drawn_is_shown_as_synthesize_draws_it(page: Page, session: Session) -> None:
    assert page.ask("/api/about").json["system"] == "msgnet"
    wish = {"n": 5, "seed": 4, "start": 2, "dials": {"temperature": 0.8}}
    samples = page.ask("/api/mint/draw", wish).samples
    wanted = session.system.synthesize(5, seed=4, start=2, batch_size=4, temperature=0.8)
    for sample, pair in zip(samples, wanted, strict=True):
        assert np.array_equal(pixels(page, sample["key"]), pair.image[:, :, 0])
        over = overlay(pair.image, pair.layout, session.system.classes)
        assert np.array_equal(pixels(page, sample["key"], "overlay"), over)
    state = page.ask("/api/mint").json  # as a page that is loaded again sees it
    assert [sample["key"] for sample in state["samples"]] == [sample["key"] for sample in samples]


def test_a_layout_is_taken_painted_drawn_kept_and_read_again(page: Page, session: Session) -> None:
    system = session.system
    taken = page.ask("/api/paint/layout", {"source": "data", "place": 2}).json
    assert taken["name"] == digits(8).names[2]
    ids = as_map(taken["ids"], system.size).copy()
    wanted = system.given(digits(8).subset([taken["name"]]))
    class_of = np.array([class_id for class_id, _ in system.config.symbol_table.symbols])
    assert np.array_equal(ids, class_of[wanted.ids[0].numpy()])
    ids[:] = 0
    ids[8:20, 4:16] = 3
    wish = {"ids": as_text(ids), "instances": None, "n": 2, "seed": 6}
    reply = page.ask("/api/paint/draw", wish)
    assert [line["differs"] for line in reply.lines] == [0]
    samples = reply.samples
    assert page.ask("/api/mark", {"key": samples[1]["key"], "mark": "keep"}).json == {"kept": 1}
    said = page.ask("/api/export", {"format": "folder"}).json
    assert (said["pairs"], said["lost"]) == (1, [])
    (pair,) = labelmint.read(said["out"])
    assert np.array_equal(pair.layout.label_map, ids)
    assert np.array_equal(pair.image[:, :, 0], pixels(page, samples[1]["key"]))
    assert (pair.provenance["painted"], pair.provenance["index"]) == ("true", "1")
    row = json.loads((Path(said["out"]) / "manifest.jsonl").read_text())
    assert (row["layout"], row["painted"]) == (f"painted on {taken['name']}", True)
    page.ask("/api/mark", {"key": samples[1]["key"], "mark": ""})


def test_what_the_run_does_not_see_of_a_painted_layout_is_said(page: Page, session: Session) -> None:
    ids = np.zeros(session.system.size, np.uint16)
    ids[5, 5] = 3  # one pixel of a cell of sixteen
    wish = {"ids": as_text(ids), "n": 1, "seed": 0}
    assert [line["differs"] for line in page.ask("/api/paint/draw", wish).lines] == [1]


def test_layouts_are_drawn_by_the_run_and_stored_in_it(page: Page, session: Session) -> None:
    drawn = page.ask("/api/paint/layout", {"source": "drawn", "seed": 7, "place": 1}).json
    pair = session.system.chunk(0, Draw(seed=7, batch_size=4))[1]
    assert np.array_equal(as_map(drawn["ids"], session.system.size), pair.layout.label_map)
    wish = {"ids": drawn["ids"], "instances": drawn["instances"], "n": 1}
    samples = page.ask("/api/paint/draw", wish).samples
    assert samples[0]["source"] == "layout of seed 7, index 1"  # not painted: nothing was changed
    assert page.ask("/api/paint/layout", {"source": "stored", "place": 0}).json["name"] == "training layout 0"


BLANK = as_text(np.zeros((32, 32)))
STRANGE = as_text(np.full((32, 32), 77))


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/mint/draw", {"n": 0}, "n: expected a whole number from 1 to 64"),
        ("/api/mint/draw", {"n": 65}, "n: expected a whole number from 1 to 64"),
        ("/api/mint/draw", {"n": 2.5}, "n: expected a whole number"),
        ("/api/mint/draw", {"n": 1, "seed": -1}, "seed: expected a whole number from 0"),
        ("/api/mint/draw", {"n": 1, "dials": {"speed": 1}}, "speed"),
        (
            "/api/mint/draw",
            {"n": 1, "dials": {"temperature": "hot"}},
            "temperature: expected a number, got 'hot'",
        ),
        ("/api/mint/draw", {"n": 1, "dials": {"temperature": -1}}, "expected a number from 0.01 to 100"),
        ("/api/mint/draw", {"n": 1, "dials": {"temperature": 10**400}}, "dials: a number is out of range"),
        ("/api/mint/draw", {"n": 1, "dials": {"\udcff": 1}}, "has no \udcff"),
        ("/api/mint/draw", {"n": "9" * 5000}, "n: expected a whole number"),
        ("/api/mint/draw", {"n": 1, "layouts": "other"}, "layouts: expected one of own, varied"),
        ("/api/mint/draw", {"n": 1, "layouts": []}, "layouts: expected one of own, varied"),
        ("/api/mint/draw", b"[1]", "the request is no JSON object"),
        ("/api/mint/draw", b"{", "the request is no JSON object"),
        ("/api/mark", {"key": "mint-0-0", "mark": "keep"}, "there is no pair 'mint-0-0' any more"),
        ("/api/mark", {"mark": "keep"}, "key: expected a text"),
        ("/api/export", {"format": "folder"}, "nothing is kept yet"),
        ("/api/export", {}, "format: expected a text"),
        ("/api/paint/layout", {"source": "stored", "place": 1000}, "there is no layout 1000"),
        ("/api/paint/layout", {"source": "data", "place": 8}, "the data have 8"),
        ("/api/paint/layout", {"source": "/etc/passwd"}, "source: expected one of drawn, stored, data"),
        ("/api/paint/layout", {"source": "described", "text": "three zeppelins"}, "zeppelins"),
        ("/api/paint/draw", {"n": 1}, "ids: expected a map of 32x32 pixels, got 0 numbers"),
        ("/api/paint/draw", {"n": 1, "ids": "?"}, "ids: expected a map"),
        ("/api/paint/draw", {"n": 1, "ids": BLANK[:-8]}, "ids: expected a map of 32x32 pixels"),
        ("/api/paint/draw", {"n": 1, "ids": STRANGE}, "not trained on class id 77"),
        ("/api/paint/draw", {"n": 1, "ids": BLANK, "dials": {"guidance": 3}}, "guidance"),
        ("/api/paint/between", {"ids": BLANK, "to_seed": 1}, "token by token"),
    ],
)
def test_bad_input_gets_one_line(page: Page, path: str, body: Any, said: str) -> None:
    reply = page.ask(path, body)
    (content,) = reply.lines
    assert said in content["error"]
    assert "\n" not in content["error"]
    assert len(content["error"]) < 1000
    assert "Traceback" not in content["error"]
    assert list(content) == ["error"]


def test_a_run_that_is_gone_is_said(
    page: Page, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.system, "path", tmp_path / "gone")
    (content,) = page.ask("/api/mint/draw", {"n": 1}).lines
    assert "the run is no longer there" in content["error"]


def test_a_port_in_use_is_said() -> None:
    with bound(0) as first, pytest.raises(InputError, match=r"--port \d+: is in use; give another"):
        bound(first.getsockname()[1])
    with bound(0) as here:
        assert here.getsockname()[0] == "127.0.0.1"

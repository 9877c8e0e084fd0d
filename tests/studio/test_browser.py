"""The page in headless Chromium, from painting to an exported pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import digits
from tests.studio.chromium import MARKS, drag

import labelmint
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.session import Session

pytestmark = MARKS


@pytest.fixture
def session(minted: TrainedSystem, tmp_path: Path) -> Session:
    return Session(minted, digits(8), tmp_path / "kept")


def test_from_painting_to_an_exported_pair(tab: Any, session: Session) -> None:
    tab.get_by_role("tab", name="Paint").click()
    view = tab.locator("#view-paint")
    view.get_by_label("From", exact=True).select_option("blank")
    view.get_by_role("button", name="Take").click()
    view.get_by_text("a blank layout").wait_for()
    view.locator(".class").get_by_text("3", exact=True).click()
    tab.keyboard.press("x")  # a box
    drag(tab, (0.26, 0.26), (0.49, 0.49))
    tab.keyboard.press("m")  # and it is moved
    drag(tab, (0.4, 0.4), (0.65, 0.4))
    tab.keyboard.press("b")
    drag(tab, (0.1, 0.9), (0.9, 0.9))
    tab.keyboard.press("z")  # the stroke is taken back
    tab.keyboard.press("g")
    tab.locator("#view-paint .card img").nth(3).wait_for()
    tab.locator("#view-paint .card").nth(1).click()
    tab.keyboard.press("k")
    tab.get_by_role("button", name="1 kept").click()
    tab.get_by_role("button", name="Export to").click()
    tab.get_by_text("Wrote 1 pairs").wait_for()
    assert session.out is not None
    (pair,) = labelmint.read(session.out)
    wanted = np.zeros((32, 32), np.uint8)
    wanted[8:16, 16:24] = 4  # the id of the class "3"
    assert np.array_equal(pair.layout.label_map, wanted)
    assert pair.provenance["painted"] == "true"


def test_pairs_are_kept_and_dropped_with_the_keyboard_alone(tab: Any, session: Session) -> None:
    cards = tab.locator("#view-mint .card img")
    cards.nth(7).wait_for()
    for key in ("k", "d", "ArrowRight", "k", "o"):
        tab.keyboard.press(key)
        tab.wait_for_timeout(200)
    assert [one.index for one in session.kept.values()] == [0, 3]
    assert tab.locator('.card[data-mark="drop"]').count() == 1
    assert "kind=overlay" in cards.first.get_attribute("src")
    tab.keyboard.press("n")
    tab.get_by_text("seed 0 · 15").wait_for()
    assert tab.get_by_role("button", name="2 kept").is_enabled()
    tab.reload()
    tab.get_by_role("button", name="2 kept").wait_for()  # kept by the server
    tab.get_by_text("seed 0 · 15").wait_for()


def test_bad_input_is_told_in_the_page(
    tab: Any, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.locator("#view-mint .card img").nth(7).wait_for()
    monkeypatch.setattr(session.system, "path", tmp_path / "gone")
    tab.get_by_role("button", name="Draw", exact=True).click()
    tab.get_by_text("the run is no longer there").wait_for()


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_wider_than_the_window(tab: Any, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.locator("#view-mint .card img").nth(7).wait_for()
    for name in ("Mint", "Paint"):
        tab.get_by_role("tab", name=name).click()
        tab.wait_for_timeout(400)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width

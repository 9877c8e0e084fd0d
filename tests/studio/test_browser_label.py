"""The view Label in headless Chromium, from a minted label to an exported set, with the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studio.chromium import MARKS, drag
from tests.studio.minted_labels import disk, write_minted

import labelmint
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.checking import open_checking
from labelmint.studio.session import Session

pytestmark = MARKS


@pytest.fixture
def session(minted: TrainedSystem, tmp_path: Path) -> Session:
    return Session(minted, checking=open_checking(write_minted(tmp_path / "labels")))


def test_from_minted_labels_to_an_exported_set(tab: Any, session: Session) -> None:
    checking = session.checking
    assert checking is not None
    tab.get_by_role("tab", name="Label").click()
    view = tab.locator("#view-label")
    title = view.locator(".head h2")
    title.get_by_text("p2").wait_for()  # the most doubtful
    view.locator(".shown img").wait_for()
    tab.keyboard.press("c")
    view.locator(".easel").wait_for()
    tab.keyboard.press("b")
    drag(tab, (0.1, 0.9), (0.9, 0.9))
    tab.keyboard.press("z")  # the stroke is taken back
    tab.keyboard.press("x")  # a box
    drag(tab, (0.02, 0.02), (0.23, 0.1))
    tab.keyboard.press("Enter")
    title.get_by_text("p0").wait_for()
    held = list[Any]()
    tab.route("**/api/label/decide", lambda route: held.append(route))
    tab.keyboard.press("a")
    tab.keyboard.press("s")  # at once: the next label is not shown yet, so nothing is decided about it
    tab.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    title.get_by_text("p3").wait_for()
    tab.unroute("**/api/label/decide")
    tab.keyboard.press("s")
    title.get_by_text("p1").wait_for()
    assert checking.counts == {"accepted": 1, "corrected": 1, "sent back": 1, "left": 1}
    view.get_by_role("button", name="Export").click()
    view.get_by_text("Wrote 2 pairs").wait_for()
    data = labelmint.read(checking.out)
    wanted = disk(2)[1].copy()
    wanted[:2, :4] = 1
    assert np.array_equal(data.load("p2").layout.label_map, wanted)
    assert np.array_equal(data.load("p0").layout.label_map, disk(0)[1])
    tab.reload()
    title.get_by_text("p1").wait_for()  # the only one that is left
    assert view.locator('.strip button[data-state="corrected"]').count() == 1
    tab.set_viewport_size({"width": 420, "height": 900})
    tab.keyboard.press("c")
    view.locator(".easel").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 420

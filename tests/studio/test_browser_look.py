"""The view Look in headless Chromium: the report, its samples by doubt, the rarest training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.studio.chromium import MARKS
from tests.studio.reported import Knowing, samples, session_with_report

from labelmint.runs.trained import TrainedSystem
from labelmint.studio.session import Session

pytestmark = MARKS


@pytest.fixture
def session(trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr("labelmint.synthesis.filter.load_judge", lambda path, device: Knowing())
    return session_with_report(trained, tmp_path)


def test_a_report_its_samples_and_the_rarest_images_are_looked_at(tab: Any) -> None:
    tab.get_by_role("tab", name="Look").click()
    view = tab.locator("#view-look")
    view.get_by_text("It is so so.").wait_for()
    view.get_by_text("0.700 to 0.900", exact=True).wait_for()
    view.get_by_text("not computed: needs 100 samples, not 3").wait_for()
    view.locator("svg.chart").wait_for()
    overview = view.get_by_role("img", name="Both")
    assert overview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 3
    view.get_by_role("button", name="Samples by doubt").click()
    first = view.locator(".triples .card").first
    first.get_by_text(samples()[1].name).wait_for()
    assert first.get_attribute("data-mark") == "doubted"
    assert view.locator(".triples img").count() == 9
    view.get_by_role("button", name="Rarest training images").click()
    view.locator(".rare img").first.wait_for()
    view.get_by_label("Label over image").check()
    assert "kind=overlay" in view.locator(".rare img").first.get_attribute("src")
    for width in (1280, 420):
        tab.set_viewport_size({"width": width, "height": 900})
        for part in ("Report", "Samples by doubt", "Rarest training images"):
            view.get_by_role("button", name=part).click()
            assert tab.evaluate("document.documentElement.scrollWidth") <= width

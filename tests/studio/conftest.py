"""A tab of a headless Chromium with the studio in it; the module that asks for it has the fixture `session`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.studio.chromium import CHROMIUM
from tests.studio.page import served

from labelmint.studio.session import Session


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def tab(browser: Any, session: Session) -> Iterator[Any]:
    """A tab with the studio; whatever the console says, and whatever the page asks elsewhere, fails the test."""
    with served(session) as page:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        tab, odd = context.new_page(), list[str]()

        def heard(message: Any) -> None:
            if "400" not in message.text:  # refusals are told in the page, too
                odd.append(message.text)

        tab.on("console", heard)
        tab.on("pageerror", lambda error: odd.append(str(error)))
        own = f"http://127.0.0.1:{page.port}/"
        tab.on(
            "request", lambda request: odd.append(request.url) if not request.url.startswith(own) else None
        )
        tab.goto(page.address)
        yield tab
        context.close()
        assert odd == []

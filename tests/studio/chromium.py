"""A headless Chromium in tests: which, when tests that need it are left out, and what a hand does in it."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

import pytest

__all__ = ["CHROMIUM", "MARKS", "drag"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or importlib.util.find_spec("playwright") is None,
        reason="needs the extra `browser` and a Chromium",
    ),
]


def drag(tab: Any, *places: tuple[float, float]) -> None:
    """Draw a line on the canvas, in shares of its sides."""
    box = tab.locator(".above").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    tab.mouse.move(*at[0])
    tab.mouse.down()
    for place in at[1:]:
        tab.mouse.move(*place, steps=8)
    tab.mouse.up()

"""The site: every page has its place, it builds without a warning, and opens without network."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import labelmint

ROOT = Path(__file__).resolve().parents[1]
MADE = {
    "command-line.md",
    "api.md",
    "settings.md",
    "log.md",
    "changelog.md",
    "contributing.md",
}  # by docs/hooks.py
LOADED = {"src", "srcset", "poster", "data"}


def leaves(at: Any) -> Iterator[str]:
    """The pages of a navigation."""
    if isinstance(at, str):
        yield at
    else:
        for below in at.values() if isinstance(at, dict) else at:
            yield from leaves(below)


def test_every_page_has_one_place_in_the_navigation() -> None:
    told = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    assert sorted(leaves(told["nav"])) == sorted(pages | MADE), "write new pages into mkdocs.yml"


class Loads(HTMLParser):
    """What a browser loads with a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name, value in attrs if name in LOADED and value]
        if tag == "link" and given.get("rel") not in ("next", "prev", "canonical"):
            self.found.append(given["href"] or "")
        self.found += re.findall(r"url\(([^)]*)", given.get("style") or "")


def test_what_a_browser_loads_is_found() -> None:
    page = '<link rel="stylesheet" href="https://a"><img src="b.png"><a href="https://c"><link rel="next" href="d">'
    assert Loads(page).found == ["https://a", "b.png"]


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("material", "mkdocstrings")),
    reason="needs the extra `site`",
)
def test_the_site_builds_strictly_and_opens_without_network(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    for page in pages:
        for loaded in Loads(page.read_text(encoding="utf-8")).found:
            assert not re.match(r"(https?:)?//", loaded), (page.name, loaded)
            file = loaded.partition("#")[0].partition("?")[0]
            absent = page.name == "404.html" or file.startswith("data:") or (page.parent / file).exists()
            assert absent, (page.name, loaded)
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), (
            style
        )
    api = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    assert [name for name in labelmint.__all__ if f'id="labelmint.{name}"' not in api] == []
    verbs = (tmp_path / "site" / "command-line.html").read_text(encoding="utf-8")
    assert 'id="labelmint-synthesize"' in verbs and "--max-minutes" in verbs
    assert not re.search(r"</code>: [^<]*\.\.\.</li>", verbs)  # what a verb does is told in full
    gallery = (tmp_path / "site" / "gallery.html").read_text(encoding="utf-8")
    assert 'href="log.html"' in gallery

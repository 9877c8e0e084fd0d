"""The Python of pages whose runs are stood in for: untrained ones, and fewer frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import labelmint
from labelmint.runs.trained import TrainedSystem
from tests.helpers import digits, untrained
from tests.test_docs import ROOT, blocks


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's files land in a folder of the test, and its data are digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(labelmint, "read", lambda path: digits().subset(digits().names[:3]))


def run(page: str, run: TrainedSystem, monkeypatch: pytest.MonkeyPatch, **others: str) -> dict[str, Any]:
    """Run the one block of Python of a page, with other words in it, `labelmint.load` answered by a run; return its
    names.
    """
    monkeypatch.setattr(labelmint, "load", lambda path: run)
    (code,) = blocks(ROOT / "docs" / page, "python")
    for usual, value in others.items():
        assert usual in code
        code = code.replace(usual, value)
    found: dict[str, Any] = {}
    exec(code, found)
    return found


def test_movies(trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = run("movies.md", untrained(trained, "spade"), monkeypatch, **{"frames=90": "frames=3"})
    assert (tmp_path / "between.gif").is_file()
    assert found["facts"]["difference_to_the_frame_before"]


def test_studio(trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("studio.md", trained, monkeypatch)
    for pair in found["pairs"]:
        assert (pair.layout.label_map == found["label_map"]).mean() > 0.9


def test_describe(
    minted: TrainedSystem, run_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = minted.with_layouts_from(labelmint.load(run_of("boxes"), device="cpu", threads=1))
    asked = {"two cars on the left and no trees": "class 3 on the left and no class 4"}
    run("describe.md", system, monkeypatch, **asked)
    assert len(list((tmp_path / "new-data" / "images").iterdir())) == 8

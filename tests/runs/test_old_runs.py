"""The law of runs: a run of one version opens in the next and draws the same bytes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "old_runs"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("old_runs_make", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _has_avx2() -> bool:
    file = Path("/proc/cpuinfo")
    return file.is_file() and " avx2 " in file.read_text()


@pytest.mark.interpreters(1)
@pytest.mark.skipif(not _has_avx2(), reason="the samples were drawn under AVX2, which this processor lacks")
def test_a_run_of_a_former_version_opens_and_draws_the_same_pixels(tmp_path: Path) -> None:
    make, expected = _load(), json.loads((FOLDER / "digests.json").read_text())
    make.draw({FOLDER / system: tmp_path / system for system in expected})
    for system, digests in expected.items():
        assert make.digests_of(tmp_path / system) == digests, system

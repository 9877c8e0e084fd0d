"""The benchmark of retrieval runs, and its figures are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import retrieval


@pytest.mark.slow
def test_it_measures_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.json"
    retrieval.main(["--layouts", "40", "--queries", "3", "--size", "32", "--json", str(out)])
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert [row["form"] for row in rows] == ["boxes", "map"]
    assert all(row["search_ms"] > 0 and 0 < row["mib"] < 2 for row in rows)
    assert capsys.readouterr().out.count("; search ") == 2

"""The benchmark of the search for copies measures both ways, which find the same."""

import json
from pathlib import Path

from benchmarks.copies import main


def test_both_ways_are_measured_and_find_the_same(tmp_path: Path) -> None:
    words = ["--size", "16", "--channels", "1", "--queries", "2", "--references", "3", "--repeat", "1"]
    main([*words, "--json", str(tmp_path / "rows.json")])
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["same"]
    assert row["ratio"] > 0

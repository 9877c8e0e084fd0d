"""The sampling benchmark, tiny: its rows are whole, and both ways agree."""

import json
from pathlib import Path

import pytest

from benchmarks import sampling

ROW = {
    "grid",
    "channels",
    "batch",
    "published_per_s",
    "published_batch",
    "published_gflops",
    "counts",
    "ours_per_s",
    "speedup",
    "gflop_a_sample",
    "roof_share",
    "memory_roof_share",
    "max_logit_difference",
}


def test_the_json_has_a_row_for_each_batch_size_and_both_ways_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Measuring these takes seconds.
    monkeypatch.setattr(sampling, "matrix_rate", lambda *_: 2e11)
    monkeypatch.setattr(sampling, "memory_rate", lambda: 2e10)
    file = tmp_path / "sampling.json"
    sizes = [
        "--grid",
        "8x4",
        "--channels",
        "16",
        "--batch",
        "1",
        "3",
        "--published-batch",
        "2",
        "--repeat",
        "1",
    ]
    sampling.main([*sizes, "--threads", "1", "--json", str(file)])
    result = json.loads(file.read_text())
    assert {"processor", "matrix_gflops", "convolution_gflops", "read_gb_per_s"} <= set(result["machine"])
    assert result["machine"]["threads"] == 1
    assert [row["batch"] for row in result["rows"]] == [1, 3]
    for row in result["rows"]:
        assert set(row) >= ROW
        assert row["max_logit_difference"] < 1e-5
        assert row["speedup"] == pytest.approx(row["ours_per_s"] / row["published_per_s"])
        assert 0 < row["roof_share"] < 1

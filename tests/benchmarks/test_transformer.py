"""The benchmark of the transformer prior, tiny: its rows are whole, both ways agree, and operations are those
counted.
"""

import json
from pathlib import Path

import pytest
import torch
from benchmarks.machine import operations_of

from benchmarks import transformer
from labelmint.nn.packed import product


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_for_each_batch_size_and_both_ways_agree(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # measuring these takes seconds
    for measured, rate in (("matrix_rate", 2e11), ("packed_rate", 4e11), ("memory_rate", 2e10)):
        monkeypatch.setattr(transformer, measured, lambda *_, rate=rate: rate)
    file = tmp_path / "transformer.json"
    sizes = [
        "--grid",
        "4x3",
        "--width",
        "32",
        "--layers",
        "2",
        "--heads",
        "4",
        "--codes",
        "9",
        "--batch",
        "1",
        "3",
    ]
    transformer.main(
        [
            *sizes,
            "--anew-batch",
            "2",
            "--repeat",
            "1",
            "--threads",
            "1",
            "--precision",
            precision,
            "--json",
            str(file),
        ]
    )
    result = json.loads(file.read_text())
    assert result["machine"]["threads"] == 1
    assert [(row["batch"], row["condition"]) for row in result["rows"]] == [
        (1, "prefix"),
        (3, "prefix"),
        (1, "aligned"),
        (3, "aligned"),
    ]
    for row in result["rows"]:
        assert row["prefix"] == (256 if row["condition"] == "prefix" else 0)
        assert row["max_logit_difference"] < (1e-5 if precision == "fp32" else 0.05)
        assert row["speedup"] == pytest.approx(row["ours_per_s"] / row["anew_per_s"])
        assert 0 < row["packed_roof_share"] < row["roof_share"] < 1


def test_packed_products_are_counted_as_what_they_are() -> None:
    x, bias, packed = torch.randn(32, 160), torch.zeros(240), product(torch.randn(160, 240), 32)
    if not packed.packed:
        pytest.skip("this build of PyTorch packs no weights")
    assert (
        operations_of(lambda: packed(x, bias))
        == operations_of(lambda: packed(x, torch.zeros(32, 240)))
        == 2 * 32 * 160 * 240
    )

"""The step beside MONAI's: what is compared is comparable."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from benchmarks.adversarial import OURS, SIDES, make
from benchmarks.machine import operations_of

from benchmarks import adversarial

SMALL = [
    "generator.channels=8",
    "generator.widest=2",
    "generator.doublings=2",
    "generator.discriminator_channels=8",
]
OPTIONS = argparse.Namespace(size=64, batch=2, set=SMALL)


def test_equal_layers_are_equal() -> None:
    cpu = torch.device("cpu")
    ours, equal = (make(name, OPTIONS, cpu) for name in SIDES[:2])
    counted = [operations_of(side.step) for side in (ours, equal)]
    assert counted[0] == pytest.approx(counted[1], rel=0.02)
    generators = [
        sorted(tuple(p.shape) for p in side.networks[0].blocks.parameters() if p.ndim == 4)
        for side in (ours, equal)
    ]
    assert sum(a * b * c * d for a, b, c, d in generators[0]) == sum(
        a * b * c * d for a, b, c, d in generators[1]
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_side_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    words = ["--size", "64", "--repeat", "1", "--threads", "1", "--device", "cpu", "--set", *SMALL]
    adversarial.main([*words, "--sides", "without spectral norm", "--json", str(file)])
    rows = json.loads(file.read_text())["rows"]
    assert [row["side"] for row in rows] == [OURS, "without spectral norm"]
    assert rows[0]["ratio"] == 1
    assert all(row["seconds"] > 0 and row["peak_mib"] > 0 for row in rows)

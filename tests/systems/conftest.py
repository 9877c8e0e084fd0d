"""A small data set in memory, the smallest settings, and one trained run to share."""

from pathlib import Path

import pytest

from labelmint.datasets.digits import DIGIT_CLASSES, make_digits, split
from labelmint.systems import TrainedSystem, train
from labelmint.types import DataSet
from tests.conftest import SMALLEST

TINY = dict(setting.split("=") for setting in SMALLEST) | {
    "tokenizer.steps": "40",
    "tokenizer.evaluate_every": "20",
    "prior.epochs": "3",
    "prior.evaluate_every": "4",
    "layout_prior.epochs": "2",
    "layout_prior.evaluate_every": "4",
}


def digits(n: int = 60, seed: int = 0) -> DataSet:
    """n canvases in memory."""
    pairs = {pair.name: pair for pair in make_digits("pairs", n, seed=seed)}
    training, test = split(n)
    return DataSet(
        source="digits", format="memory", classes=DIGIT_CLASSES, names=tuple(pairs), load=pairs.__getitem__, train=tuple(training),
        test=tuple(test),
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of the smallest settings."""
    out: Path = tmp_path_factory.mktemp("trained") / "run"
    return train(digits(), out, preset="tiny", settings=TINY, precision="32", threads=1)

"""A small data set in memory, the smallest settings, and trained runs to share."""

from pathlib import Path

import pytest

from labelmint.datasets.digits import DIGIT_CLASSES, make_digits, split
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
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


TINY_VQ = {
    "tokenizer.channels": "16",
    "tokenizer.code_dim": "8",
    "tokenizer.codebook_size": "16",
    "tokenizer.semantic_codebook_size": "16",
    "tokenizer.steps": "40",
    "tokenizer.batch_size": "8",
    "tokenizer.evaluate_every": "20",
    "prior.epochs": "3",
    "prior.batch_size": "8",
    "prior.evaluate_every": "4",
    "layout_prior.epochs": "2",
    "layout_prior.batch_size": "8",
    "layout_prior.evaluate_every": "4",
}
_TRANSFORMER = {"prior.width": "32", "prior.layers": "1", "prior.heads": "2"}
_SNAIL = {
    "prior.channels": "16",
    "prior.residual_channels": "16",
    "prior.blocks": "1",
    "layout_prior.channels": "16",
}
_ADVERSARY = {"tokenizer.discriminator_channels": "8", "tokenizer.adversary_from": "0.5"}
_APART = {
    "layout_tokenizer.steps": "20",
    "layout_tokenizer.batch_size": "8",
    "layout_tokenizer.channels": "16",
}


def tiny_settings(system: str) -> dict[str, str]:
    """The smallest settings of a system."""
    of_vq = {
        "vqvae-t": _TRANSFORMER | _APART,
        "vqgan-t": _TRANSFORMER | _APART | _ADVERSARY,
        "svqvae-t": _TRANSFORMER,
        "svqgan-t": _TRANSFORMER | _ADVERSARY,
        "mint": _SNAIL,
    }
    return TINY_VQ | of_vq[system] if system in of_vq else TINY


def digits(n: int = 60, seed: int = 0) -> DataSet:
    """n canvases in memory."""
    pairs = {pair.name: pair for pair in make_digits("pairs", n, seed=seed)}
    training, test = split(n)
    return DataSet(
        source="digits",
        format="memory",
        classes=DIGIT_CLASSES,
        names=tuple(pairs),
        load=pairs.__getitem__,
        train=tuple(training),
        test=tuple(test),
    )


def trained_as(system: str, out: Path) -> TrainedSystem:
    """A run of the smallest settings of a system; where there is one, what is missing there."""
    return train(
        digits(), out, system=system, preset="tiny", settings=tiny_settings(system), precision="32", threads=1
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of msgnet. To be read only, as the next."""
    return trained_as("msgnet", tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="session")
def minted(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of mint."""
    return trained_as("mint", tmp_path_factory.mktemp("minted") / "run")


@pytest.fixture(params=["trained", "minted"])
def system(request: pytest.FixtureRequest) -> TrainedSystem:
    """Both, one after the other."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, TrainedSystem)
    return found

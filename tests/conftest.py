"""What all tests share: one thread, deterministic examples, a small data set on disk, and small runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported: tests run side by side, and threads over small tensors only get in each other's
# way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("labelmint", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("labelmint")

# Of `msgnet`, which most tests of a run are about, and of `mint`, the default: what the README and the demo
# train.
SMALLEST = (
    "tokenizer.channels=16",
    "tokenizer.residual_channels=8",
    "tokenizer.codebook_size=16",
    "tokenizer.steps=30",
    "tokenizer.batch_size=8",
    "prior.channels=16",
    "prior.residual_channels=16",
    "prior.blocks=1",
    "prior.epochs=1",
    "prior.batch_size=8",
    "layout_prior.channels=16",
    "layout_prior.residual_channels=16",
    "layout_prior.blocks=1",
    "layout_prior.epochs=3",
    "layout_prior.batch_size=8",
)
SMALLEST_MINT = (
    "tokenizer.channels=16",
    "tokenizer.code_dim=8",
    "tokenizer.codebook_size=16",
    "tokenizer.semantic_codebook_size=16",
    "tokenizer.steps=30",
    "tokenizer.batch_size=8",
    "prior.channels=16",
    "prior.residual_channels=16",
    "prior.blocks=1",
    "prior.epochs=1",
    "prior.batch_size=8",
    "layout_prior.channels=16",
    "layout_prior.residual_channels=16",
    "layout_prior.blocks=1",
    "layout_prior.epochs=3",
    "layout_prior.batch_size=8",
)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 canvases of digits in the format `folder`, with train.txt and test.txt. To be read only."""
    from labelmint.cli.datasets import write_digits
    from labelmint.datasets.digits import make_digits

    folder = tmp_path_factory.mktemp("digits") / "digits"
    write_digits(make_digits("pairs", 60), folder, 60)
    return folder


@pytest.fixture(scope="session")
def tiny_run(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the smallest settings on `digits_folder`. To be read only."""
    from labelmint.runs.train import train

    run = tmp_path_factory.mktemp("tiny") / "run"
    train(digits_folder, run, system="msgnet", preset="tiny", settings=SMALLEST, precision="32", threads=1)
    return run


@pytest.fixture(scope="session")
def mint_run(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the default system."""
    from labelmint.runs.train import train

    run = tmp_path_factory.mktemp("mint_run") / "run"
    train(digits_folder, run, preset="tiny", settings=SMALLEST_MINT, precision="32", threads=1)
    return run

"""What all tests share: one thread, deterministic examples, a small data set on disk, and small runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

# Before torch is imported: tests run side by side, and threads over small tensors only get in each other's
# way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("labelmint", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("labelmint")

RunOf = Callable[[str], Path]


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 canvases of digits in the format `folder`, with train.txt and test.txt. To be read only."""
    from labelmint.cli.datasets import write_digits
    from tests.helpers import canvases, made_once

    return made_once(
        tmp_path_factory, "digits", lambda out: write_digits(iter(canvases("pairs", 60)), out, 60)
    )


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunOf]:
    """run_of(system): a run of the smallest settings on the pairs of `digits_folder`. To be read only."""
    from tests.helpers import contents, made_once, trained_as

    given: dict[Path, dict[str, tuple[int, int]]] = {}

    def run(system: str) -> Path:
        made = made_once(tmp_path_factory, f"run-{system}", lambda out: trained_as(system, out))
        given.setdefault(made, contents(made))
        return made

    yield run
    changed = [path.name for path, files in given.items() if contents(path) != files]
    assert not changed, f"a test wrote into what all tests share: {', '.join(changed)}"


@pytest.fixture(scope="session")
def tiny_run(run_of: RunOf) -> Path:
    """A run of msgnet. To be read only, as the next."""
    return run_of("msgnet")


@pytest.fixture(scope="session")
def mint_run(run_of: RunOf) -> Path:
    """A run of mint, the default."""
    return run_of("mint")


@pytest.fixture(scope="session")
def trained(tiny_run: Path) -> TrainedSystem:
    """The run of msgnet, loaded. To be read only, as the next."""
    from labelmint.runs.trained import load

    return load(tiny_run, device="cpu", threads=1)


@pytest.fixture(scope="session")
def minted(mint_run: Path) -> TrainedSystem:
    """The run of mint, loaded."""
    from labelmint.runs.trained import load

    return load(mint_run, device="cpu", threads=1)


@pytest.fixture(params=["trained", "minted"])
def system(request: pytest.FixtureRequest) -> TrainedSystem:
    """Both, one after the other."""
    found: TrainedSystem = request.getfixturevalue(request.param)
    return found

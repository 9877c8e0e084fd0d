"""What all tests share: one thread, deterministic examples, a small data set on disk, and small runs."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from labelmint.evaluation.material import Material
    from labelmint.runs.trained import TrainedSystem

# Before torch is imported: tests run side by side, and threads over small tensors only get in each other's
# way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("labelmint", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("labelmint")

RunOf = Callable[[str], Path]

ROOT = Path(__file__).parent
SCRIPTS = ("experiments", "benchmarks")
SHARED_BY_SCRIPTS = "test_common.py"
# CPU seconds, with those of processes that a case started: a case above the first is named at the end. What is
# imported is left out, since whoever comes first pays for it; a started interpreter imports torch anew.
NAMED, A_MODULE, AN_INTERPRETER = 5.0, 0.004, 15.0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays to the end: to look for garbage in it again and again takes seconds. And most of what
    tests make goes without being looked for.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of scripts are marked so, but for those of what the scripts share."""
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        if folder in SCRIPTS and item.path.name != SHARED_BY_SCRIPTS:
            item.add_marker("scripts")


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The budget: a case that takes more than `NAMED` seconds of CPU, and is not marked `slow`, is named at the
    end. It does not fail, since processors differ.
    """
    begin, modules = _cpu_seconds(), len(sys.modules)
    found = yield
    marker = item.get_closest_marker("interpreters")
    beside = AN_INTERPRETER * (marker.args[0] if marker else 0) + A_MODULE * (len(sys.modules) - modules)
    seconds = _cpu_seconds() - begin - beside
    if any(item.get_closest_marker(name) for name in ("slow", "gpu", "scripts")):
        return found
    if seconds > NAMED:
        item.user_properties.append(("cpu_seconds", seconds))
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The cases above the budget."""
    over = [
        (value, report.nodeid)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "cpu_seconds"
    ]
    if over:
        terminalreporter.section(f"more than {NAMED:g} s of CPU")
    for seconds, name in sorted(over, reverse=True):
        terminalreporter.line(f"{seconds:6.1f} s  {name}")


@pytest.fixture(scope="session", autouse=True)
def _neither_measured_nor_drawn() -> Iterator[None]:
    """What takes seconds in every training or drawing and is tested by itself. Precision is single wherever it is
    not asked for otherwise, runs get empty files in place of pictures, but for those of `run_of`, and what a
    batch takes of memory, in training and in drawing, is not rehearsed.
    """
    from labelmint import hardware
    from labelmint.runs import plan, train
    from labelmint.runs.trained import TrainedSystem
    from tests.helpers import empty_previews

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainedSystem, "rehearsed_bytes", TrainedSystem.drawing_bytes, raising=False)
        patch.setattr(
            TrainedSystem, "drawing_bytes", lambda self, batch_size, dials=None: 1_000_000 * batch_size
        )
        patch.setattr(hardware, "_faster_in_bfloat16", lambda threads: False)
        patch.setattr(train, "write_previews", empty_previews)
        patch.setattr(plan, "counted_peaks", plan._peaks, raising=False)
        patch.setattr(plan, "_peaks", lambda step, few, weights: (few[0] << 20, few[1] << 20))
        yield


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
    from labelmint.runs import previews, train
    from tests.helpers import contents, made_once, trained_as

    given: dict[Path, dict[str, tuple[int, int]]] = {}

    def run(system: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "write_previews", previews.write_previews)
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


@pytest.fixture
def real_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs get their pictures, as those of `run_of` do."""
    from labelmint.runs import previews, train

    monkeypatch.setattr(train, "write_previews", previews.write_previews)


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch takes of memory is that of its parts."""
    from labelmint.runs.trained import TrainedSystem

    monkeypatch.setattr(TrainedSystem, "drawing_bytes", TrainedSystem.rehearsed_bytes)


@pytest.fixture
def obedience_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations of one section: what samples and judge are made of is the same."""
    import numpy as np

    from labelmint.evaluation import evaluate as module
    from labelmint.evaluation.obedience import obedience
    from labelmint.reports.results import Section, Verdict

    def sections(
        about: object, data: object, tested: object, material: Material, *more: object
    ) -> list[Section]:
        return [obedience(material, np.ones(len(material.synthetic), bool))]

    monkeypatch.setattr(module, "_sections", sections)
    monkeypatch.setattr(module, "verdict", lambda figures: Verdict(level="mixed", text="of one section"))

"""The system of docs/add-a-system.md: its code is one file, which wires, keeps the laws and learns."""

from __future__ import annotations

import importlib.util
import inspect
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from labelmint import evaluate, study
from labelmint.contracts import check_generator
from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.hardware import Hardware, open_fabric
from labelmint.progress import Event, Report
from labelmint.runs.prepare import Prepared, prepare
from labelmint.runs.request import Asked
from labelmint.runs.train import plan, train
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.systems.catalogue import SYSTEMS, catalogue, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts, Wired
from labelmint.training.contract import check_regime
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder
from tests.helpers import digits

DOCUMENT = Path(__file__).parents[2] / "docs" / "add-a-system.md"
NAME, SIZE = "shades", (16, 16)


def code() -> str:
    """The python blocks of the document, in their order."""
    return "\n\n".join(
        re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ModuleType]:
    """The document's file, imported: its system is in the catalogue."""
    file = tmp_path / "shades_of_the_document.py"
    file.write_text(code(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        SYSTEMS.pop(NAME, None)
        del sys.modules[file.stem]


@pytest.fixture(scope="module")
def data() -> Prepared:
    return prepare(digits(), Geometry(size=SIZE), cell=1, group_by=None, seed=0, force=False)


def wired(data: Prepared, **values: str) -> Wired:
    """The toy at its preset, its weights drawn by a seed."""
    torch.manual_seed(0)
    settings = with_values(
        settings_of(NAME, "tiny"), {f"generator.{key}": value for key, value in values.items()}
    )
    return SYSTEMS[NAME].wire(settings, Facts(data.image_channels, SIZE, len(data.symbols.symbols)))


def test_the_system_is_in_the_catalogue(toy: ModuleType) -> None:
    (entry,) = (entry for entry in catalogue() if entry["name"] == NAME)
    assert entry["presets"] == ["tiny"]
    assert entry["layout_source"] == "layouts of a data set"


def test_its_sections_are_named_as_its_stages(toy: ModuleType, data: Prepared) -> None:
    assert [stage.name for stage in wired(data).stages] == [*settings_of(NAME, "tiny").each()]


def bench_of(data: Prepared, folder: Path, report: Report) -> Bench:
    """A bench for a run in a folder."""
    folder.mkdir(exist_ok=True)
    return Bench(
        fabric=open_fabric(Hardware("cpu", "32-true", 1)),
        run=RunFolder(folder),
        training=data.training,
        validation=data.validation,
        seconds=None,
        report=report,
    )


def test_its_generator_keeps_the_laws_and_learns(toy: ModuleType, data: Prepared, tmp_path: Path) -> None:
    system = wired(data, steps="4", batch_size="4")
    (stage,) = system.stages
    before = {name: value.clone() for name, value in stage.module.state_dict().items()}
    figures = stage.regime.train(stage, bench_of(data, tmp_path, lambda event: None))
    assert figures["steps"] == 4
    assert 0 < figures["held_out_error"] < 2
    assert any(not value.equal(before[name]) for name, value in stage.module.state_dict().items())
    check_generator(system.images, data.validation.fixed(0, 3).layouts, data.image_channels)
    assert system.images.random


def test_its_regime_keeps_the_laws(toy: ModuleType, data: Prepared, tmp_path: Path) -> None:
    def make() -> Stage:
        return wired(data, steps="4", batch_size="4", evaluate_every="2").stages[0]

    check_regime(make, lambda name, report: bench_of(data, tmp_path / name, report))


def test_its_wiring_is_short(toy: ModuleType) -> None:
    assert len(inspect.getsource(toy.shades).splitlines()) <= 20


@pytest.mark.usefixtures("real_previews")
def test_it_is_used_from_training_to_the_study(toy: ModuleType, tmp_path: Path) -> None:
    data = digits()
    asked: Asked = {
        "system": NAME,
        "preset": "tiny",
        "size": SIZE,
        "settings": {"generator.steps": "8", "generator.batch_size": "4", "generator.evaluate_every": "2"},
    }
    (stage,) = plan(data, threads=1, precision="32", **asked).stages
    assert (stage.name, stage.steps, stage.tokens) == ("generator", 8, 0)
    assert stage.bytes > 0 < stage.seconds

    whole = train(data, tmp_path / "whole", threads=1, precision="32", **asked)
    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(data, stopped, threads=1, precision="32", report=_interrupt, **asked)
    assert train(data, stopped, threads=1, precision="32", **asked).digest == whole.digest
    assert {file.name for file in stopped.glob("*.png")} == {"curves.png", "samples.png"}

    one, other = whole.synthesize(2, batch_size=2, seed=1)
    assert (one.image != other.image).any()
    assert "temperature" not in one.provenance
    with pytest.raises(InputError, match="shades has no temperature; its dials: none"):
        next(whole.synthesize(1, temperature=0.7))
    with pytest.raises(InputError, match="one grid of tokens"):
        whole.given(data, keep=["image:0,0,8,8"])

    small = SegmenterConfig(channels=(8, 16), residual_units=1, steps=10, batch_size=8, evaluate_every=5)
    results = evaluate(
        stopped,
        data,
        tmp_path / "report",
        n=20,
        judge=small,
        precision="32",
        reader_steps=5,
        resamples=5,
        threads=1,
    )
    (learned,) = (section for section in results.sections if section.name == "likelihood")
    assert "no tokens" in learned.summary and "no reconstructions" in learned.summary
    assert learned.tables[0].rows[0][:2] == ("generator", "error")
    arm = ArmConfig(
        channels=(8, 16), residual_units=0, batch_size=4, evaluate_every=5, patience=1, most_steps=10
    )
    studied = study(
        data,
        tmp_path / "study",
        n_train=(20,),
        ratios=(1.0,),
        seeds=1,
        samples=16,
        filter="off",
        segmenter=arm,
        threads=1,
        precision="32",
        device="cpu",
        **asked,
    )
    assert studied.verdict.text


def _interrupt(event: Event) -> None:
    """Ctrl-C halfway."""
    if (event.stage, event.step) == ("generator", 4):
        signal.raise_signal(signal.SIGINT)

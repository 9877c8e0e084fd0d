"""RDN and SRCNN as systems: they learn from images alone, with or without labels, and are evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from labelmint import evaluate
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.watching import watched
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.formats import write
from labelmint.formats.images_alone import UNLABELLED
from labelmint.hardware import Hardware, open_fabric
from labelmint.progress import Report
from labelmint.reports.words import summary
from labelmint.runs.prepare import prepare
from labelmint.runs.request import make_request
from labelmint.runs.train import plan, train
from labelmint.runs.wire import shapes
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.rdn import RDNSections
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts
from labelmint.training.contract import check_regime
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder
from tests.helpers import digits, of_one_class, tiny_settings

BOTH = ("rdn", "srcnn")
ASKED = {"preset": "tiny", "size": (16, 16), "precision": "32", "threads": 1}


@pytest.mark.usefixtures("real_previews")
@pytest.mark.parametrize("name", ["rdn", pytest.param("srcnn", marks=pytest.mark.slow)])
def test_it_trains_on_images_without_labels_and_is_evaluated(name: str, tmp_path: Path) -> None:
    data = digits()
    write(without_labels(data), tmp_path / "images", format="folder", classes=UNLABELLED)
    run = train(tmp_path / "images", tmp_path / "run", system=name, settings=tiny_settings(name), **ASKED)
    assert run.classes == UNLABELLED and run.role == "upscaler"
    assert {file.name for file in (tmp_path / "run").glob("*.png")} == {"curves.png", "samples.png"}
    results = evaluate(tmp_path / "run", data, tmp_path / "report", threads=1)
    (section,) = results.sections
    assert [row[0] for row in section.tables[0].rows][1:3] == [
        "bicubic interpolation",
        "Lanczos interpolation",
    ]
    figures = results.figures
    assert figures["enlargement.psnr"].value == pytest.approx(
        section.tables[0].rows[1][1] + figures["enlargement.gain"].value, abs=0.01
    )
    assert "Gain over bicubic" in summary(results) and (tmp_path / "report" / "enlarged.png").is_file()
    with pytest.raises(InputError, match="leave out -n, --crop"):
        evaluate(tmp_path / "run", data, tmp_path / "other", n=50, crop=True)


def test_labels_say_nothing_to_it_not_even_one_class_an_image() -> None:
    for data in (digits(), of_one_class(digits())):
        found = plan(data, system="rdn", settings=tiny_settings("rdn"), **ASKED)
        assert not found.configuration["classes"]
        assert [stage.name for stage in found.stages] == ["upscaler"]


def test_a_part_that_is_watched_stays_that_part_without_its_labels() -> None:
    few = watched(digits(), lambda finding: None).subset(digits().names[:3])
    assert without_labels(few).names == few.names


@pytest.mark.parametrize("name", BOTH)
def test_its_regime_keeps_the_laws(name: str, tmp_path: Path) -> None:
    data = prepare(
        without_labels(digits()), Geometry(size=(16, 16)), cell=1, group_by=None, seed=0, force=False
    )
    settings = with_values(settings_of(name, "tiny"), tiny_settings(name) | {"upscaler.skip": "false"})
    settings = with_values(settings, {"upscaler.steps": "4", "upscaler.evaluate_every": "2"})

    def make() -> Stage:
        torch.manual_seed(0)
        return SYSTEMS[name].wire(settings, Facts(1, (16, 16), 1)).stages[0]

    def bench_of(name: str, report: Report) -> Bench:
        (tmp_path / name).mkdir(exist_ok=True)
        return Bench(
            fabric=open_fabric(Hardware("cpu", "32-true", 1)),
            run=RunFolder(tmp_path / name),
            training=data.training,
            validation=data.validation,
            seconds=None,
            report=report,
        )

    check_regime(make, bench_of)


def test_the_published_sizes() -> None:
    """D, C, G, G0 and parameters; 22 million of them for a factor of 2 are the authors' own count."""
    rows = {"rdn-published": (16, 8, 64, 64), "rdn-x2": (20, 6, 64, 64)}
    for preset, sizes in rows.items():
        settings = settings_of("rdn", preset)
        assert isinstance(settings, RDNSections)
        s = settings.upscaler
        assert (s.blocks, s.convolutions, s.growth, s.channels) == sizes and s.factor == 2 and not s.skip
        assert (s.learning_rate, s.batch_size, s.patch) == (1e-4, 16, 48)
    with torch.device("meta"):
        (stage,) = SYSTEMS["rdn"].wire(settings_of("rdn", "rdn-published"), Facts(3, (96, 96), 1)).stages
    assert sum(p.numel() for p in stage.module.parameters()) / 1e6 == pytest.approx(22, abs=0.3)


def test_what_does_not_fit_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match="--size 16x15: an enlargement by 2 needs multiples of 2"):
        shapes(make_request(system="rdn", preset="tiny", size=(16, 15)))
    with pytest.raises(InputError, match="--normalize image: srcnn enlarges images as they are"):
        make_request(system="srcnn", preset="tiny", normalize="image")
    with pytest.raises(InputError, match=r"upscaler.factor=5: must be less than or equal to 4"):
        make_request(system="rdn", preset="tiny", settings=["upscaler.factor=5"])
    with pytest.raises(InputError, match=r"upscaler.middle=4: must be odd"):
        make_request(system="srcnn", preset="tiny", settings=["upscaler.middle=4"])

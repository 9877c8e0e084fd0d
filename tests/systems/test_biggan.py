"""BigGAN as a system: the laws of its regime, what is kept of it, and that it learns from images without labels."""

from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize

from labelmint.contracts import ContractError, check_generator
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.images_alone import UNLABELLED
from labelmint.progress import Event
from labelmint.runs.train import plan, train
from labelmint.systems.catalogue import SYSTEMS, learns_from_images, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts, Wired
from labelmint.training.contract import check_regime
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch
from tests.helpers import digits, of_one_class, tiny_settings
from tests.tokenizers.pairs import SYMBOLS
from tests.training.test_regimes import SIDE, benches

SHORT = tiny_settings("biggan") | {
    "generator.steps": "3",
    "generator.batch_size": "4",
    "generator.evaluate_every": "1",
}


def wired(symbols: int = 1) -> Wired:
    torch.manual_seed(0)
    settings = with_values(settings_of("biggan", "tiny"), SHORT)
    return SYSTEMS["biggan"].wire(settings, Facts(1, (SIDE, SIDE), symbols))


def test_an_image_is_a_function_of_its_seed_whatever_the_layout_unless_it_is_a_class() -> None:
    layouts = LayoutBatch(torch.zeros(3, SIDE, SIDE, dtype=torch.uint8))
    layouts.ids[2] = 1
    check_generator(wired(2).images, layouts, image_channels=1)
    with pytest.raises(
        ContractError, match="another layout gave the same image"
    ):  # the last law but that of dials
        check_generator(wired().images, layouts, image_channels=1)


def test_the_laws_of_its_regime(tmp_path: Path) -> None:
    def make() -> Stage:
        (stage,) = wired(SYMBOLS).stages
        return stage

    check_regime(make, benches(tmp_path))


def test_it_learns_from_a_folder_of_images_and_keeps_weights_divided_by_their_norms(tmp_path: Path) -> None:
    few = digits().subset(digits().names[:24])
    write(without_labels(few), tmp_path / "images", format="folder", classes=UNLABELLED)
    assert not (tmp_path / "images" / "labels").exists()
    asked = {"preset": "tiny", "size": (16, 16), "settings": SHORT, "precision": "32", "threads": 1}
    system = train(tmp_path / "images", tmp_path / "run", system="biggan", **asked)
    assert system.classes == UNLABELLED
    assert system.training_layouts().shape == (1, 16, 16)
    normed = [one for one in system.part("generator").modules() if parametrize.is_parametrized(one)]
    norms = [float(torch.linalg.matrix_norm(one.weight.detach().flatten(1), 2)) for one in normed]  # type: ignore[operator, union-attr]
    assert norms == pytest.approx([1.0] * len(norms), abs=5e-3)  # orthogonal ones converge slowly
    assert len(norms) > 8
    one, other = (
        [pair.image.tobytes() for pair in system.synthesize(3, seed=1, batch_size=4, **dials)]
        for dials in ({}, {"truncation": 0.1})
    )
    assert len({*one, *other}) == 6
    with pytest.raises(InputError, match=r"--layouts .*: .* learned from images without labels"):
        next(system.synthesize(1, layouts=few))
    with pytest.raises(InputError, match="uses no layouts"):
        system.with_layouts_from(system)


def test_labels_are_left_unused_unless_they_are_one_class_an_image() -> None:
    said: list[str] = []

    def report(event: Event) -> None:
        said.extend([event.message] if event.message else [])

    asked = {"system": "biggan", "preset": "tiny", "size": (16, 16), "settings": SHORT, "precision": "32"}
    without = plan(digits(), threads=1, report=report, **asked)
    assert without.configuration["classes"] == () or without.configuration["classes"] == []
    told = plan(of_one_class(digits()), threads=1, report=report, **asked)
    assert [one["name"] for one in told.configuration["classes"]] == ["even", "odd"]
    assert [line.partition(": ")[2] for line in said] == [
        "labels are left unused: what is where is not learned, nor drawn",
        "each image has one of 2 classes, which is learned with it",
    ]


def test_systems_that_need_labels_say_so_of_images_without(tmp_path: Path) -> None:
    data = digits()
    write(without_labels(data), tmp_path / "images", format="folder", classes=UNLABELLED)
    with pytest.raises(InputError, match="mint learns from labels; label them, or train biggan"):
        plan(read(tmp_path / "images", alone=True), system="mint", preset="tiny")
    with pytest.raises(InputError, match="labels are missing"):
        plan(tmp_path / "images", system="mint", preset="tiny")
    assert learns_from_images("biggan", "tiny") and learns_from_images(None, "biggan-128")
    assert not learns_from_images(None, "tiny") and not learns_from_images("nothing", "none")

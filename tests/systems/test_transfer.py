"""`transfer`: trained with and without a pool, its laws, and what it refuses."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmint.comparison.entrants import requests
from labelmint.comparison.options import ComparisonOptions
from labelmint.contracts import check_generator
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.generators.appearance import LOOKS
from labelmint.layouts.pair_memory import PairMemory
from labelmint.runs.train import plan, train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.synthesis import mint
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, DataSet
from labelmint.usefulness.plan import StudyOptions
from labelmint.usefulness.study import _request
from tests.helpers import canvases, digits, tiny_settings

POOL = 20
HOW = {"system": "transfer", "preset": "tiny", "size": (16, 16), "precision": "32", "threads": 1}


def pool(*more: AnnotatedImage) -> DataSet:
    """Other digits, and whatever images are added."""
    pairs = [*canvases("pairs", POOL, 5), *more]
    named = {f"u{k:02d}": replace(pair, name=f"u{k:02d}") for k, pair in enumerate(pairs)}
    return replace(
        digits(), source="pool", names=tuple(named), load=named.__getitem__, train=None, test=None, origins=()
    )


def trained(out: Path, shape: str = "auto", unlabelled: DataSet | None = None) -> TrainedSystem:
    settings = tiny_settings("transfer") | {"generator.shape": shape}
    return train(digits(), out, unlabelled=unlabelled, settings=settings, **HOW)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """Shapes warped toward a pool that shows one of the test images, too."""
    test = digits().load((digits().test or ())[0])
    return trained(tmp_path_factory.mktemp("transfer") / "run", "warp", pool(test))


@pytest.mark.parametrize("look", ["auto", "histogram", "residual", "reinhard", "none"])
def test_it_keeps_the_laws_of_a_generator(run: TrainedSystem, look: str) -> None:
    assert run.own_layouts is not None
    layouts = run.own_layouts.sample([(0, index) for index in range(4)], {"strength": 1.2})
    run.images._look = look  # type: ignore[attr-defined]
    try:
        check_generator(run.images, layouts, 1)
    finally:
        run.images._look = "auto"  # type: ignore[attr-defined]


def test_the_pool_is_counted_and_no_test_image_is_in_it(run: TrainedSystem) -> None:
    lists = RunFolder(run.path).read_json("split.json")
    assert lists["unlabelled"] == [f"u{k:02d}" for k in range(POOL)]
    assert run.config.pool_images == POOL
    donors = {donor.numpy().tobytes() for donor in run.part("generator").donors}  # type: ignore[union-attr]
    test = run.pairs_of(digits().subset(digits().test or ()))
    assert not donors & {np.moveaxis(image, 2, 0).tobytes() for image in test.images}
    made = plan(digits(), unlabelled=pool(), settings=tiny_settings("transfer"), **HOW)  # type: ignore[arg-type]
    assert made.configuration["pool_images"] == POOL


def test_a_sample_depends_on_run_seed_and_number_alone(run: TrainedSystem) -> None:
    whole = list(run.synthesize(6, seed=2, batch_size=4))
    later = list(load(run.path).synthesize(2, seed=2, start=4, batch_size=4))
    assert [pair.image.tobytes() for pair in later] == [pair.image.tobytes() for pair in whole[4:]]
    assert len({pair.image.tobytes() for pair in whole}) == 6


def test_stopped_and_gone_on_with_it_holds_the_same(run: TrainedSystem, tmp_path: Path) -> None:
    stopped = False

    def interrupt(event: object) -> None:
        nonlocal stopped
        if getattr(event, "stage", "") == "generator" and not stopped:
            stopped = True
            signal.raise_signal(signal.SIGINT)

    test = digits().load((digits().test or ())[0])
    settings = tiny_settings("transfer") | {"generator.shape": "warp"}
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(digits(), out, unlabelled=pool(test), settings=settings, report=interrupt, **HOW)  # type: ignore[arg-type]
    folder = RunFolder(out)
    found = folder.load_checkpoint("generator")
    assert found is not None
    assert found[1]["elapsed"] > 0
    folder.save_checkpoint("generator", found[0], found[1] | {"elapsed": 1000.0})
    again = trained(out, "warp", pool(test))
    assert folder.read_log()[-1]["seconds"] > 1000  # a time budget counts those before it was stopped
    expected = run.part("generator").state_dict()
    assert all(
        torch.equal(value, expected[name]) for name, value in again.part("generator").state_dict().items()
    )
    with pytest.raises(InputError, match="the images without labels differ"):
        trained(out, "warp", pool(*canvases("pairs", 2, 6)))


def test_without_a_pool_other_labelled_images_lend_looks(tmp_path: Path) -> None:
    said: list[str] = []
    settings = tiny_settings("transfer")
    system = train(
        digits(),
        tmp_path / "run",
        settings=settings,
        report=lambda event: said.append(event.message),
        **HOW,  # type: ignore[arg-type]
    )
    memory = system.part("generator")
    assert any("labelled images (no --unlabelled)" in line for line in said)
    assert all(k not in memory.donors_of(k).tolist() for k in range(len(memory)))  # type: ignore[operator, arg-type]
    assert len(list(system.synthesize(3, batch_size=4))) == 3


def test_what_it_cannot_do_is_refused_in_a_line(run: TrainedSystem, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--layouts digits: transfer takes layout and image from one"):
        run.given(digits())
    with pytest.raises(InputError, match=r"--layouts-from .*: transfer takes layout and image"):
        run.with_layouts_from(run)
    with pytest.raises(InputError, match="so none can be described"):
        run.with_description("a zero")
    for more, says in (({"vary": True}, "--vary: transfer"), ({"filter": "on"}, "--filter on: every sample")):
        with pytest.raises(InputError, match=says):
            mint(run, tmp_path / "out", n=2, format="folder", **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="leave given layouts out"):
        next(run.synthesize(1, vary=True))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"system": "cvq-vae"}, "--unlabelled pool: cvq-vae learns from pairs alone"),
        ({"system": "biggan"}, "--unlabelled pool: biggan learns from images alone; give them as DATA"),
        ({"rebalance": "classes"}, "--rebalance classes: transfer shows each pair by its area"),
        ({"augment": ("flips", "zoom")}, "--augment zoom: transfer finds for each pair how far to zoom"),
        ({"settings": ["generator.shape=warp"], "crop": True}, "whole images are warped, not crops"),
        ({"settings": ["generator.look=sepia"]}, "--set generator.look=sepia: must be"),
        ({"unlabelled": digits()}, "--unlabelled digits: none of its 60 images is new"),
        ({"unlabelled": "no such folder"}, "--unlabelled no such folder: no such file or folder"),
    ],
)
def test_what_a_training_cannot_take_is_refused(
    changed: dict[str, object], says: str, tmp_path: Path
) -> None:
    asked = {"unlabelled": pool(), **HOW, **changed}
    with pytest.raises(InputError, match=says):
        train(digits(), tmp_path / "run", **asked)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_the_card_says_that_samples_are_moved_training_pairs(run: TrainedSystem, tmp_path: Path) -> None:
    said: list[str] = []
    out = mint(run, tmp_path / "out", n=3, format="folder", batch_size=4, warn=said.append)
    assert any("holds the training images" in line for line in said)
    assert "every sample is a training pair, moved" in (out / "README.md").read_text("utf-8")


def test_the_manifest_names_the_pair_and_the_donor(run: TrainedSystem, tmp_path: Path) -> None:
    """Shapes are left as they are: the label is that of the named pair, the image has the look of the named donor."""
    said = list[str]()
    out = mint(run, tmp_path / "out", n=5, batch_size=4, dials={"strength": 0.0}, warn=said.append)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert len({row["pair"] for row in rows}) > 1 and len({row["donor"] for row in rows}) > 1
    class_of = np.array([class_id for class_id, _ in run.config.symbols])
    for row, made in zip(rows, read(out), strict=True):
        assert (made.provenance["pair"], made.provenance["donor"]) == (row["pair"], row["donor"])
        pair = run.pairs_of(digits().subset([row["pair"]]))
        donor = run.pairs_of(replace(digits(), load=pool().load, names=(row["donor"],)))
        assert np.array_equal(made.layout.label_map, class_of[pair.ids[0]])
        own, other = (images[0].astype(np.float64) for images in (pair.images, donor.images))
        image = LOOKS[run.images.look](own, other)  # type: ignore[attr-defined]
        assert np.array_equal(made.image, np.round(image).clip(0, 255))


def test_a_memory_of_a_former_version_opens_and_names_nothing(run: TrainedSystem) -> None:
    memory = run.part("generator")
    state = {name: part for name, part in memory.state_dict().items() if name != "named"}
    former = PairMemory()
    former.load_state_dict(state)
    assert former.names is None and len(former) == len(memory)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="donors"):
        PairMemory().load_state_dict({name: part for name, part in state.items() if name != "donors"})


def test_study_and_compare_say_what_it_needs() -> None:
    with pytest.raises(InputError, match=r"--filter on: transfer moves training pairs.*pass --filter off"):
        _request(StudyOptions(system="transfer"))
    with pytest.raises(InputError, match=r"--layouts varied: .*pass --layouts own"):
        _request(StudyOptions(system="transfer", filter="off", layouts="varied"))
    assert _request(StudyOptions(system="transfer", filter="off")).system == "transfer"
    with pytest.raises(InputError, match="takes layout and image from one labelled pair, and all are"):
        requests(ComparisonOptions(systems=("mint", "transfer")))

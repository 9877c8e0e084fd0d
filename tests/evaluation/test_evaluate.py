"""The whole of `evaluate` on a tiny run and on pairs of unknown making: what it writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.test_docs import ROOT, blocks

import labelmint.evaluation.evaluate as module
from labelmint.datasets.digits import DIGIT_CLASSES, make_digits
from labelmint.errors import InputError
from labelmint.evaluation import copied
from labelmint.evaluation.evaluate import HEADLINE, evaluate
from labelmint.formats import read, write
from labelmint.metrics.memorization import memorization
from labelmint.progress import Event
from labelmint.reports.files import read_report
from labelmint.reports.results import Results, Section
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.storage import alone
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout

JUDGE = SegmenterConfig(channels=(8, 16), residual_units=1, steps=20, batch_size=8, evaluate_every=10)
PAIRS: dict[str, Any] = {"judge": JUDGE, "precision": "32", "reader_steps": 5, "resamples": 20, "threads": 1}
FEW = PAIRS | {"n": 20}
OF_PARTS = (
    "likelihood.prior_nats",
    "likelihood.layout_prior_nats",
    "reconstruction.mse",
    "reconstruction.ssim",
)


class Answer:
    """One evaluation of the tiny run."""

    def __init__(self, run: Path, data: Path, out: Path) -> None:
        self.run, self.data, self.out = run, data, out
        self.events: list[Event] = []
        self.results: Results = evaluate(
            run,
            data,
            out,
            **FEW,
            composition="pairs",
            command=["labelmint", "evaluate"],
            report=self.events.append,
        )


@pytest.fixture(scope="module")
def answer(tiny_run: Path, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    folder = tmp_path_factory.mktemp("evaluate")
    return Answer(Path(shutil.copytree(tiny_run, folder / "run")), digits_folder, folder / "out")


@pytest.fixture
def runs_alone(obedience_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations of obedience, and of what only runs have."""
    of_pairs = module._sections

    def sections(
        about: Any, data: Any, tested: Any, material: Any, options: Any, known: Any, tell: Any
    ) -> list[Section]:
        return [
            *of_pairs(about, data, tested, material, options, known, tell),
            module._likelihood(about.system, data, tested, material, known[1]),
            module._same_layout(about.system, data, tested, material, options, known[1]),
        ]

    monkeypatch.setattr(module, "_sections", sections)


def test_a_run_is_evaluated_and_every_question_is_answered(answer: Answer) -> None:
    results = read_report(answer.out)
    assert results == answer.results
    names = [section.name for section in results.sections]
    assert names == [
        "obedience",
        "memorization",
        "fidelity",
        "coherence",
        "rejects",
        "likelihood",
        "diversity",
    ]
    assert results.headline == HEADLINE
    for name in OF_PARTS:
        assert results.figures[name].value is not None, name
    assert [row[0] for row in results.sections[5].tables[0].rows] == [
        "image attention path",
        "image convolution path",
    ]
    assert {"fidelity.kinds_variation", "fidelity.fine_texture"} <= set(results.figures)
    titles = [chart.title for chart in results.sections[2].charts]
    assert titles == ["Shares of kinds of images", "Texture by frequency"]
    for section in results.sections:
        for picture in section.pictures:
            assert np.asarray(Image.open(answer.out / picture.file)).std() > 0, picture.file
    assert {event.stage for event in answer.events} >= {
        "synthesize",
        "judge",
        "samples in training images",
        "figures",
    }


@pytest.mark.usefixtures("runs_alone")
def test_a_run_of_the_default_system_is_evaluated_by_one_command_at_a_time(
    mint_run: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, judge_for, tried = Path(shutil.copytree(mint_run, tmp_path / "run")), module.judge_for, list[Any]()

    def judged(*about: Any) -> Any:
        tried.append(about)
        with pytest.raises(InputError, match="another command works there"), alone(run):
            pass
        with pytest.raises(InputError, match="another command works there"):
            evaluate(run, digits_folder, tmp_path / "out", **FEW, composition="pairs")
        return judge_for(*about)

    monkeypatch.setattr(module, "judge_for", judged)
    figures = evaluate(run, digits_folder, tmp_path / "out", **FEW, composition="pairs").figures
    assert len(tried) == 1
    for name in OF_PARTS:
        assert figures[name].value is not None, name


class Again:
    """An evaluation made once more, elsewhere: its figures, its events, and how often each real image was decoded."""

    def __init__(self, answer: Answer, out: Path) -> None:
        data, self.loads, self.events = read(answer.data), Counter[str](), list[Event]()

        def load(name: str) -> AnnotatedImage:
            self.loads[name] += 1
            return data.load(name)

        self.names = data.names
        counted = replace(data, load=load)
        self.results = evaluate(
            answer.run, counted, out, **FEW, composition="pairs", report=self.events.append
        )


@pytest.fixture(scope="module")
def again(answer: Answer, tmp_path_factory: pytest.TempPathFactory) -> Again:
    return Again(answer, tmp_path_factory.mktemp("again") / "out")


def test_the_report_says_how_it_was_made_and_repeats_itself(answer: Answer, again: Again) -> None:
    origin = answer.results.origin
    assert origin["command"] == "labelmint evaluate"
    assert origin["pairs"]["samples"] == 20
    assert (
        origin["weights_sha256"]
        == json.loads((answer.out / "synthetic" / "settings.json").read_text())["weights"]
    )
    assert (answer.run / "judge" / "weights.safetensors").is_file()
    assert not any(event.stage == "judge" for event in again.events), "the run's judge was trained twice"
    assert {n: f.value for n, f in again.results.figures.items()} == {
        n: f.value for n, f in answer.results.figures.items()
    }


def test_every_real_image_is_decoded_once(again: Again) -> None:
    assert again.loads == Counter(again.names)


@pytest.mark.usefixtures("obedience_alone")
def test_the_same_command_goes_on_and_another_is_refused(answer: Answer, tmp_path: Path) -> None:
    events, out = list[Event](), Path(shutil.copytree(answer.out, tmp_path / "out"))
    evaluate(answer.run, answer.data, out, **FEW, composition="pairs", report=events.append)
    assert not any(event.stage in ("synthesize", "judge") for event in events)
    with pytest.raises(InputError, match="seed differs"):
        evaluate(answer.run, answer.data, out, **FEW, composition="pairs", seed=1)
    with pytest.raises(InputError, match="exists and is no evaluation"):
        evaluate(answer.run, answer.data, answer.run, **FEW)


def test_the_python_of_the_document_runs(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks(ROOT / "docs" / "evaluate.md", "python")
    shutil.copytree(answer.out, tmp_path / "report")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "obedience" in capsys.readouterr().out


def test_pairs_of_any_making_are_evaluated(answer: Answer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --size"):
        evaluate(answer.out / "synthetic", answer.data, tmp_path / "out", **PAIRS, size=(16, 16))
    # what failed at its start may be given again otherwise
    results = evaluate(answer.out / "synthetic", answer.data, tmp_path / "out", **PAIRS, size=(32, 32))
    assert "likelihood" not in [section.name for section in results.sections]
    same = results.figures["obedience.ratio"].value, answer.results.figures["obedience.ratio"].value
    assert same[0] == same[1], "the same samples under the same judge"
    assert (tmp_path / "out" / "judge" / "part.json").is_file()


@pytest.mark.usefixtures("runs_alone")
def test_known_networks_give_figures_of_their_own_names(answer: Answer, tmp_path: Path) -> None:
    class Lpips(torch.nn.Module):
        def forward(
            self, images: torch.Tensor, resize_images: bool = False, return_lpips: bool = False
        ) -> torch.Tensor:
            return images.flatten(1)[:, :64] / 255

    torch.manual_seed(0)
    file = tmp_path / "vgg16.pt"
    with pytest.warns(DeprecationWarning) if _script_warns() else _nothing():
        torch.jit.script(Lpips()).save(str(file))
    results = evaluate(answer.run, answer.data, tmp_path / "out", **FEW, lpips_weights=file)
    assert results.figures["diversity.same_layout_lpips"].value is not None
    assert len(results.origin["known_weights_sha256"]["lpips"]) == 64
    with pytest.raises(InputError, match=r"vgg16\.pt"):
        evaluate(answer.run, answer.data, tmp_path / "other", **FEW, fid_weights=file)
    assert not (tmp_path / "other").exists()


def _script_warns() -> bool:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.jit.script(torch.nn.Identity())
    return bool(caught)


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


# Bad input --------------------------------------------------------------------------------------------------


def _without_test(data: Path) -> None:
    (data / "test.txt").unlink()


def _tested_were_trained(data: Path) -> None:
    names = (data / "train.txt").read_text().split()
    (data / "test.txt").write_text("\n".join([*(data / "test.txt").read_text().split(), names[0]]))


def _lost_training_pair(data: Path) -> None:
    name = (data / "train.txt").read_text().split()[0]
    for file in data.glob(f"*/{name}.*"):
        file.unlink()
    lines = (data / "train.txt").read_text().split()
    (data / "train.txt").write_text("\n".join(lines[1:]))


def _empty_test_labels(data: Path) -> None:
    for name in (data / "test.txt").read_text().split():
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(data / "labels" / f"{name}.png")


def _color_test_image(data: Path) -> None:
    name = (data / "test.txt").read_text().split()[0]
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(data / "images" / f"{name}.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_test, "has no test part"),
        (_tested_were_trained, "were trained on"),
        (_lost_training_pair, "lacks 1 pairs"),
        (_empty_test_labels, "no pixel of the test part"),
        (_color_test_image, "is a color image"),
    ],
)
def test_data_that_do_not_fit_a_run_are_refused(
    answer: Answer, tmp_path: Path, spoil: Any, message: str
) -> None:
    data = Path(shutil.copytree(answer.data, tmp_path / "data"))
    spoil(data)
    with pytest.raises(InputError, match=message):
        evaluate(answer.run, data, tmp_path / "out", **FEW)
    assert not (tmp_path / "out" / "report.json").exists()


def test_synthetic_pairs_that_do_not_fit_are_refused(answer: Answer, tmp_path: Path) -> None:
    synthetic, data = answer.out / "synthetic", answer.data
    few = write(list(make_digits("pairs", 5)), tmp_path / "few", format="folder", classes=DIGIT_CLASSES)
    large = write(
        list(make_digits("pairs", 25, canvas=(48, 48))),
        tmp_path / "large",
        format="folder",
        classes=DIGIT_CLASSES,
    )
    real = read(data)
    tested = write(
        [real.load(n) for n in [*(real.test or ())] * 1] + [real.load(n) for n in (real.train or ())[:10]],
        tmp_path / "tested",
        format="folder",
        classes=real.classes,
    )
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (few, {}, "at least 20"),
        (large, {"size": (32, 32)}, "give --size as the synthetic images are"),
        (tested, {}, "are images of the test part"),
        (data, {}, "given as synthetic and as real"),
        (synthetic, {"composition": "stars"}, "expected one of"),
        (answer.run, {"n": 3}, "at least 20"),
        (
            synthetic,
            {"n": 30, "dials": {"temperature": 1.0}},
            "only has a meaning with a run: -n, --temperature",
        ),
        (answer.run, {"size": (32, 32)}, "knows its own size"),
        (tmp_path / "nowhere", {}, "nowhere"),
    ]
    for k, (subject, more, message) in enumerate(cases):
        with pytest.raises(InputError, match=message):
            evaluate(subject, data, tmp_path / f"out{k}", **{**PAIRS, **more})
        assert not (tmp_path / f"out{k}" / "report.json").exists()


def test_classes_under_other_ids_are_refused(answer: Answer, tmp_path: Path) -> None:
    data = Path(shutil.copytree(answer.out / "synthetic", tmp_path / "data"))
    content = json.loads((data / "classes.json").read_text())
    content["names"]["1"], content["names"]["2"] = content["names"]["2"], content["names"]["1"]
    (data / "classes.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="give both the same class list"):
        evaluate(data, answer.data, tmp_path / "out", **PAIRS)


@pytest.mark.usefixtures("obedience_alone")
def test_a_damaged_judge_is_made_again(answer: Answer, tmp_path: Path) -> None:
    run = Path(shutil.copytree(answer.run, tmp_path / "run"))
    (run / "judge" / "weights.safetensors").write_bytes(b"damaged")
    events: list[Event] = []
    second = evaluate(run, answer.data, tmp_path / "out", **FEW, composition="pairs", report=events.append)
    assert any(event.stage == "judge" for event in events)
    assert second.figures["obedience.dice"] == answer.results.figures["obedience.dice"]


@pytest.mark.slow
def test_crops_in_color_with_groups_and_ignored_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied, "memorization", partial(memorization, real_views=40))
    rng = np.random.default_rng(0)
    classes = ClassSet((ClassInfo(id=3, name="ground"), ClassInfo(id=300, name="blob")), ignore=(255,))

    def pair(name: str, size: int) -> AnnotatedImage:
        labels = np.full((size, size), 3, np.uint16)
        image = rng.integers(0, 60, (size, size, 3))
        for _ in range(size // 8):
            top, left = rng.integers(0, size - 8, 2)
            labels[top : top + 8, left : left + 8] = 300
            image[top : top + 8, left : left + 8, 0] += 120
        labels[:2] = 255
        return AnnotatedImage(name=name, image=image.astype(np.uint8), layout=Layout(label_map=labels))

    real = write(
        [pair(f"p{i // 3:02d}_{i % 3}", 36) for i in range(27)],
        tmp_path / "real",
        format="folder",
        classes=classes,
    )
    (real / "test.txt").write_text("\n".join(f"p{k:02d}_{i}" for k in range(3) for i in range(3)))
    synthetic = write(
        [pair(f"s{i}", 16) for i in range(24)], tmp_path / "synthetic", format="folder", classes=classes
    )
    results = evaluate(
        synthetic, real, tmp_path / "out", **PAIRS, crop=True, augment=("flips",), group_by="p(..)"
    )
    assert results.origin["groups"] == "p(..)"
    assert results.origin["pairs"]["test_views"] == 9 * 4
    assert [row[0] for row in results.sections[0].tables[0].rows] == ["ground", "blob"]
    assert "obedience.objects_found" not in results.figures
    with pytest.raises(InputError, match="does not match"):
        evaluate(synthetic, real, tmp_path / "other", **PAIRS, crop=True, group_by="q(..)")


@pytest.mark.usefixtures("obedience_alone")
def test_instances_on_one_side_alone_are_not_compared(answer: Answer, tmp_path: Path) -> None:
    data = Path(shutil.copytree(answer.out / "synthetic", tmp_path / "synthetic"))
    next((data / "instances").iterdir()).unlink()
    results = evaluate(data, answer.data, tmp_path / "out", **PAIRS)
    assert "obedience.objects_found" not in results.figures

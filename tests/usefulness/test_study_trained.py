"""The study with real trainings: on noise and on shuffled labels it says do not use; and once from generator
to report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import SMALLEST_MINT

import labelmint
from labelmint import study
from labelmint.datasets.digits import make_digits
from labelmint.evaluation.views import Views
from labelmint.reports.results import Results
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout
from labelmint.usefulness.arm_training import train_arm
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.ground import Ground

CLASSES = ClassSet(classes=(ClassInfo(id=0, name="background"), ClassInfo(id=1, name="digit")))
SMALL = ArmConfig(
    channels=(8, 16),
    residual_units=0,
    batch_size=4,
    evaluate_every=20,
    patience=2,
    most_steps=60,
    learning_rate=1e-2,
)


def as_one_class(pair: AnnotatedImage) -> AnnotatedImage:
    """All digits as one class."""
    return replace(pair, layout=Layout(label_map=(pair.layout.label_map > 0).astype(np.uint8)))


def write(pairs: list[AnnotatedImage], path: Path, test: list[str] | None = None) -> Path:
    by_name = {pair.name: pair for pair in pairs}
    data = DataSet(
        source="memory", format="memory", classes=CLASSES, names=tuple(by_name), load=by_name.__getitem__
    )
    labelmint.write(replace(data, test=tuple(test) if test else None), path, format="folder", classes=CLASSES)
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[AnnotatedImage]]:
    """A data set of 24x24 digits, and 60 more pairs as they should be."""
    made = [as_one_class(pair) for pair in make_digits("pairs", 80, canvas=(24, 24), digit_size=8)]
    folder = write(made, tmp_path_factory.mktemp("study") / "digits", [pair.name for pair in made[-16:]])
    more = [as_one_class(pair) for pair in make_digits("pairs", 75, canvas=(24, 24), digit_size=8, seed=5)][
        :60
    ]
    return folder, [replace(pair, name=f"more{k}") for k, pair in enumerate(more)]


Judged = Callable[[list[AnnotatedImage]], Results]


@pytest.fixture(scope="module")
def verdict_on(digits: tuple[Path, list[AnnotatedImage]], tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """verdict_on(pairs): a study of these pairs. Arms of real pairs alone are trained once for all of them, and the
    papers' pair of arms, which no verdict asks, has the result of arm A.
    """
    known: dict[str, ArmResult] = {}

    def trained(arm: Arm, ground: Ground, synthetic: Views | None, **more: Any) -> ArmResult:
        if arm.name in ("R", "accuracy", "diversity"):
            ratio = 1.0 if arm.name == "accuracy" else None
            return known["A"].model_copy(update={"arm": arm.name, "ratio": ratio})
        if synthetic is not None or arm.name not in known:
            found = train_arm(replace(arm, alternatives=()), ground, synthetic, **more)
            if synthetic is not None:
                return found
            known[arm.name] = found
        return known[arm.name]

    def judged(given: list[AnnotatedImage]) -> Results:
        place = tmp_path_factory.mktemp("study")
        return study(
            digits[0],
            place / "out",
            synthetic=write(given, place / "given"),
            ratios=(1.0,),
            seeds=1,
            segmenter=SMALL,
            device="cpu",
            precision="32",
            threads=1,
            train_arm=trained,
        )

    return judged


@pytest.mark.slow
def test_shuffled_labels_are_not_to_be_used(
    digits: tuple[Path, list[AnnotatedImage]], verdict_on: Judged
) -> None:
    _, true = digits
    shuffled = [
        replace(pair, layout=other.layout) for pair, other in zip(true, [*true[7:], *true[:7]], strict=True)
    ]
    results = verdict_on(shuffled)
    assert results.verdict.level == "bad"
    assert "DO NOT USE" in results.verdict.text
    assert "teach too little" in results.verdict.reasons[0]


def test_noise_is_not_to_be_used_and_true_pairs_are_not_condemned(
    digits: tuple[Path, list[AnnotatedImage]], verdict_on: Judged
) -> None:
    _, true = digits
    rng = np.random.default_rng(0)
    noise = [replace(pair, image=rng.integers(0, 256, pair.image.shape, np.uint8)) for pair in true]
    results = verdict_on(noise)
    assert "DO NOT USE" in results.verdict.text
    sound = verdict_on(true)
    assert "teach too little" not in " ".join(sound.verdict.reasons)
    (n,) = {int(name.removeprefix("gain.n")) for name in sound.figures if name.startswith("gain.n")}
    dice = {name: sound.figures[f"dice.n{n}.{name}"].value or 0 for name in ("A", "Y")}
    assert min(dice.values()) > 0.6
    assert (results.figures[f"dice.n{n}.Y"].value or 0) < dice["Y"] / 2


@pytest.mark.slow
def test_from_generator_to_report(digits_folder: Path, tmp_path: Path) -> None:
    """The generator sees the cell's pairs and no others, the filter its own judge; a larger study extends it."""
    out = tmp_path / "out"
    options: dict[str, Any] = {
        "n_train": (8,),
        "seeds": 1,
        "samples": 6,
        "system": "mint",
        "preset": "tiny",
        "settings": SMALLEST_MINT,
        "device": "cpu",
        "precision": "32",
        "threads": 1,
        "segmenter": SMALL.model_copy(update={"most_steps": 2}),
        "judge": SegmenterConfig(channels=(8, 16), steps=2, batch_size=4, evaluate_every=2),
    }
    study(digits_folder, out, **options, ratios=(1.0,), filter="off")
    cell = out / "cells" / "n-8" / "seed-0"
    seen = labelmint.load(cell / "run").path / "split.json"
    import json

    split, chosen = (json.loads(file.read_text(encoding="utf-8")) for file in (seen, cell / "pairs.json"))
    assert len(split["validation"]) == 2
    assert sorted(split["training"] + split["validation"]) == chosen["training"]
    assert len(chosen["training"]) == 8
    weights = (cell / "run" / "prior" / "weights.safetensors").read_bytes()
    results = study(digits_folder, out, **options, ratios=(1.0, 2.0), filter="both")
    assert (cell / "run" / "prior" / "weights.safetensors").read_bytes() == weights
    assert (cell / "run" / "judge" / "part.json").is_file()
    (table,) = next(section for section in results.sections if section.name == "choice").tables
    assert len(table.rows) >= 2
    assert {path.name for path in out.glob("*.png")} == {"samples-8.png", "readings-8.png"}

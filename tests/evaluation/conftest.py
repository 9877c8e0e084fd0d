"""Real digits, a judge trained on them once, and materials with any synthetic pairs in place of samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers import canvases, made_once

from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.evaluation.material import Material
from labelmint.evaluation.views import Views, fit, tiles, views_of_samples
from labelmint.segmenters.judge import Judge, train_judge
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import AnnotatedImage, DataSet

SIZE, FOREGROUND = (32, 32), tuple(range(1, 11))
JUDGE = SegmenterConfig(
    channels=(8, 16, 32), residual_units=1, steps=300, batch_size=16, learning_rate=1e-2, evaluate_every=300
)


def as_data(pairs: Sequence[AnnotatedImage], source: str = "memory") -> DataSet:
    """Pairs in memory as a data set."""
    by_name = {pair.name: pair for pair in pairs}
    return DataSet(
        source=source, format="memory", classes=DIGIT_CLASSES, names=tuple(by_name), load=by_name.__getitem__
    )


def fitted(pairs: Sequence[AnnotatedImage]) -> list[Pair]:
    data = as_data(pairs)
    return fit(data, data.names, Geometry(size=SIZE), 1, None)


def real(part: str) -> list[AnnotatedImage]:
    """Canvases of a part of the real pairs: the first four fifths of training digits, the rest of test
    digits.
    """
    parts = {
        "training": slice(640),
        "validation": slice(640, 800),
        "test": slice(800, 900),
        "unseen": slice(900, 1000),
    }
    return list(canvases("pairs", 1000, seed=3)[parts[part]])


@functools.cache
def fitted_real(part: str) -> tuple[Pair, ...]:
    """The same, fitted once a process. To be read only."""
    return tuple(fitted(real(part)))


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Trained on the real training digits; made once for all workers."""
    return _judge_in(made_once(tmp_path_factory, "judge", _judge_in))


def _judge_in(folder: Path) -> Judge:
    """The judge of the real training digits, which is trained where the folder has none."""

    def pairs(part: Sequence[Pair]) -> Pairs:
        return Pairs.of(part, Geometry(size=SIZE), 0)

    return train_judge(
        folder,
        "digits",
        pairs(fitted_real("training")),
        pairs(fitted_real("validation")),
        image_channels=1,
        classes=11,
        foreground=FOREGROUND,
        config=JUDGE,
        device=torch.device("cpu"),
        precision="32",
        report=lambda event: None,
    )


Make = Callable[[Sequence[AnnotatedImage]], Material]


@pytest.fixture
def material(judge: Judge, tmp_path: Path) -> Make:
    """material(pairs): what an evaluation of those pairs computes its figures on."""

    return lambda synthetic: material_of(synthetic, judge, tmp_path)


def material_of(synthetic: Sequence[AnnotatedImage], judge: Judge, folder: Path) -> Material:
    """What an evaluation of synthetic pairs computes its figures on, with pictures in a folder."""
    training, test = list(fitted_real("training")), list(fitted_real("test"))
    samples: Views = views_of_samples(as_data(synthetic), DIGIT_CLASSES, SIZE, 1)
    return Material(
        folder=folder,
        classes=DIGIT_CLASSES,
        foreground=FOREGROUND,
        training=training,
        validation=list(fitted_real("validation")),
        test=test,
        seen=tiles(training, SIZE),
        real=tiles(test, SIZE),
        synthetic=samples,
        judge=judge,
        drawn_layouts=True,
        seed=0,
        report=lambda event: None,
        resamples=20,
    )


def all_kept(made: Material) -> np.ndarray:
    """No sample left out."""
    return np.ones(len(made.synthetic), bool)

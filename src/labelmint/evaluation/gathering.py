"""What samples are measured with: the real pairs at the scale of the comparison, the judge, and the material."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from labelmint.datasets.fitting import fitted
from labelmint.datasets.pair import Pair
from labelmint.datasets.watching import told
from labelmint.evaluation.judging import foreground_of, judge_of
from labelmint.evaluation.material import Material, teller
from labelmint.evaluation.options import Options
from labelmint.evaluation.subject import Subject
from labelmint.evaluation.views import Views, in_channels, indexed, tiles
from labelmint.hardware import available_memory, choose_device
from labelmint.progress import Report
from labelmint.segmenters.judge import Judge
from labelmint.types import DataSet

__all__ = ["Real", "judge_for", "load_pairs", "load_real", "material_of", "room"]

SEEN_VIEWS, REAL_VIEWS, FID_VIEWS = 4000, 2000, 20000


@dataclass(frozen=True, kw_only=True)
class Real:
    """The real pairs, with class indices and images of as many channels.

    Attributes:
        training, validation, test: pairs at the scale of training.
        seen: views of the training pairs. views: of the test pairs.
        channels: of all images. foreground: class indices that have objects.
        known: ids in the maps of training and validation pairs.
    """

    training: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    seen: Views
    views: Views
    channels: int
    foreground: tuple[int, ...]
    known: frozenset[int]


def room() -> int:
    """Half of the free memory: the other half is for working on them."""
    return int(available_memory(torch.device("cpu")) // 2)


def load_pairs(
    about: Subject, data: DataSet, names: Sequence[str], part: str, tell: Report
) -> Iterator[Pair]:
    """Real pairs of class ids at the scale of training, with the image channels of a run."""
    return fitted(
        data,
        names,
        about.geometry,
        channels=about.system.config.image_channels if about.system else None,
        group_by=about.group_by,
        normalize=about.normalize,
        tell=teller(tell, f"load {part}"),
        available=room(),
    )


def load_real(about: Subject, data: DataSet, tested: Sequence[Pair], many: bool, tell: Report) -> Real:
    """All real pairs and their views.

    Arguments:
        tested: the pairs of the test part, as `load_pairs` has them.
        many: more views, for figures that need them.

    Raises InputError for data without a class to tell apart, or without a foreground class in the test part.
    """
    known: set[int] = set()
    test = [indexed(one, data.classes) for one in tested]
    validation, training = (
        [indexed(one, data.classes) for one in _noting(known, load_pairs(about, data, names, part, tell))]
        for names, part in ((about.parts.validation, "validation"), (about.parts.training, "training"))
    )
    told(data)
    if about.system:
        channels = about.system.config.image_channels
    else:
        channels = max(one.image.shape[2] for one in (*training, *validation, *test))
        test, validation, training = (in_channels(part, channels) for part in (test, validation, training))
    size = about.geometry.size
    views = tiles(test, size, FID_VIEWS if many else REAL_VIEWS)
    return Real(
        training=training,
        validation=validation,
        test=test,
        seen=tiles(training, size, FID_VIEWS if many else SEEN_VIEWS),
        views=views,
        channels=channels,
        foreground=foreground_of(data, views),
        known=frozenset(known),
    )


def _noting(known: set[int], pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs as they come; the ids in their maps are added to those that are known."""
    for one in pairs:
        known.update(np.unique(one.ids).tolist())
        yield one


def judge_for(
    folder: Path, about: Subject, data: DataSet, real: Real, options: Options, report: Report
) -> Judge:
    """The judge of these real pairs in folder/judge, trained unless it is there."""
    return judge_of(
        folder,
        data,
        real.training,
        real.validation,
        about.geometry,
        channels=real.channels,
        foreground=real.foreground,
        seed=options.seed,
        config=options.judge,
        device=choose_device(options.device),
        precision=options.precision,
        report=report,
    )


def material_of(
    data: DataSet,
    real: Real,
    samples: Views,
    judge: Judge,
    folder: Path,
    options: Options,
    *,
    drawn_layouts: bool,
    report: Report,
) -> Material:
    """Samples beside the real pairs; pictures go to the folder."""
    views, seen = real.views, real.seen
    if any(each.instances is None for each in (views, seen, samples)):
        # Instances on one side and connected pieces on the other would differ by definition.
        views, seen, samples = (replace(each, instances=None) for each in (views, seen, samples))
    return Material(
        folder=folder,
        classes=data.classes,
        foreground=real.foreground,
        training=real.training,
        validation=real.validation,
        test=real.test,
        seen=seen,
        real=views,
        synthetic=samples,
        judge=judge,
        drawn_layouts=drawn_layouts,
        seed=options.seed,
        report=report,
        resamples=options.resamples,
    )

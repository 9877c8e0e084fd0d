"""What samples are measured with: the real pairs at the scale of the comparison, the judge, and the material."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from labelmint.datasets.keeping import Disk
from labelmint.datasets.pair import Pair
from labelmint.evaluation.judging import foreground_of, judge_of
from labelmint.evaluation.loading import load_parts
from labelmint.evaluation.material import Material
from labelmint.evaluation.options import Options
from labelmint.evaluation.subject import Subject
from labelmint.evaluation.views import Views, tiles
from labelmint.hardware import choose_device
from labelmint.progress import Report
from labelmint.segmenters.judge import Judge
from labelmint.types import DataSet

__all__ = ["Real", "judge_for", "load_real", "material_of"]

SEEN_VIEWS, REAL_VIEWS, FID_VIEWS = 4000, 2000, 20000


@dataclass(frozen=True, kw_only=True)
class Real:
    """The real pairs, with class indices and images of as many channels.

    Attributes:
        training, validation, test: pairs at the scale of training. tested: the test part with class ids.
        seen: views of the training pairs. views: of the test pairs.
        channels: of all images. foreground: class indices that have objects.
        known: ids in the maps of training and validation pairs.
    """

    training: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    tested: list[Pair]
    seen: Views
    views: Views
    channels: int
    foreground: tuple[int, ...]
    known: frozenset[int]


def load_real(about: Subject, data: DataSet, many: bool, disk: Disk | None, tell: Report) -> Real:
    """All real pairs and their views.

    Arguments:
        many: more views, for figures that need them.
        disk: that takes the pairs where memory does not hold them; None for none.

    Raises InputError for data without a class to tell apart, or without a foreground class in the test part.
    """
    size = about.geometry.size
    loaded = load_parts(
        data,
        about.parts,
        about.geometry,
        channels=about.system.config.image_channels if about.system else None,
        group_by=about.group_by,
        normalize=about.normalize,
        disk=disk,
        tell=tell,
    )
    views = tiles(loaded.test, size, FID_VIEWS if many else REAL_VIEWS)
    return Real(
        **loaded._asdict(),
        seen=tiles(loaded.training, size, FID_VIEWS if many else SEEN_VIEWS),
        views=views,
        foreground=foreground_of(data, views),
    )


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

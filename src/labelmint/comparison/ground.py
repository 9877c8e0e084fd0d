"""The ground that all systems are compared on: the real pairs, and the layouts that each draws images for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmint.comparison.entrants import Entrant, requests
from labelmint.comparison.options import ComparisonOptions
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk
from labelmint.datasets.pair import Pair, digest_of
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.splits import split_of
from labelmint.datasets.tiles import tiles_of_all
from labelmint.errors import InputError
from labelmint.evaluation.gathering import REAL_VIEWS, Real, load_real
from labelmint.evaluation.judging import refuse_one_class
from labelmint.evaluation.subject import Subject, check_parts
from labelmint.evaluation.views import Views, in_channels, indexed, tiles
from labelmint.hardware import choose_device, choose_precision
from labelmint.nn.efficientnet import lite0
from labelmint.progress import Report
from labelmint.runs.config import Request
from labelmint.runs.trained import TrainedSystem
from labelmint.types import DataSet

__all__ = ["Ground", "checked", "load_ground"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Loaded once for all systems.

    Attributes:
        data: the real data. about: their parts and geometry. real: their pairs.
        layouts: L views of test pairs, with class ids. views: the same, with class indices.
        left_out: views of the test part that hold classes which no training pair shows.
        digest: SHA-256 of all real pairs.
    """

    data: DataSet
    about: Subject
    real: Real
    layouts: tuple[Pair, ...]
    views: Views
    left_out: int
    digest: str

    def given(self, system: TrainedSystem, places: Sequence[int] | None = None) -> Pairs:
        """The layouts, or some of them, as a system sees them."""
        chosen = range(len(self.layouts)) if places is None else places
        return system.as_trained.seen(self.data, [self.layouts[place] for place in chosen])


def checked(data: DataSet, options: ComparisonOptions) -> dict[Entrant, Request]:
    """What each training is asked for.

    Raises InputError as `entrants.requests` does, for data without parts or classes to compare on, and for a device,
    a precision and a network of features that are not there.
    """
    refuse_one_class(data)
    device = choose_device(options.device)
    if options.precision != "auto":  # which is measured later
        choose_precision(options.precision, device)
    if options.features is not None:
        lite0()
    wanted = requests(options)
    check_parts(data, split_of(data, options.group_by))
    return wanted


def load_ground(
    data: DataSet, size: tuple[int, int], options: ComparisonOptions, disk: Disk | None, report: Report
) -> Ground:
    """Load what is compared with, of data that were `checked`.

    Raises InputError for a test part that shows nothing that can be compared.
    """
    about = Subject(
        path=Path(data.source),
        system=None,
        pairs=None,
        geometry=Geometry(
            size=size, crop=options.crop, scale=options.scale, augment=frozenset(options.augment)
        ),
        parts=split_of(data, options.group_by),
        group_by=options.group_by,
        normalize=options.normalize,
    )
    real = load_real(about, data, False, disk, report)
    cuts = tiles_of_all(real.tested, size, REAL_VIEWS)
    seen = [one for one in cuts if real.known.issuperset(np.unique(one.ids).tolist())]
    if not seen:
        raise InputError(
            f"{data.source}: every view of the test part holds classes that no training pair shows; move pairs between "
            f"train.txt and test.txt"
        )
    layouts = _thinned(seen, options.n)
    views = in_channels([indexed(one, data.classes) for one in layouts], real.channels)
    return Ground(
        data=data,
        about=about,
        real=real,
        layouts=tuple(_without_image(one) for one in layouts),
        views=tiles(views, size, len(layouts)),
        left_out=len(cuts) - len(seen),
        digest=digest_of([*real.training, *real.validation, *real.test]),
    )


def _thinned(views: Sequence[Pair], at_most: int) -> list[Pair]:
    """At most so many, evenly spread over all."""
    places = np.unique(np.linspace(0, len(views) - 1, min(at_most, len(views))).round().astype(int))
    return [views[place] for place in places]


def _without_image(one: Pair) -> Pair:
    """The layout alone: no system may look at the image, and none needs to have its channels."""
    return replace(one, image=np.zeros((*one.size, 1), np.uint8), range=None)

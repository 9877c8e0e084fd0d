"""May synthetic pairs be shared in place of the images that they were made from? What a cell's pairs give away.

    copies        near-copies of the cell's training images among the pairs that arm Y learns from, by the search and
                  the rule of `evaluate` (`metrics.memorization`)
    membership    AUC of telling the cell's images from others by the nearest sample (`metrics.membership`)

The others are the images of the training part that the cell does not use; of the test part where there are too few.
"""

from __future__ import annotations

import time

import numpy as np
from pydantic import BaseModel, ConfigDict

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.evaluation.views import Views, tiles
from labelmint.metrics.membership import membership_auc, sample_distances
from labelmint.metrics.memorization import memorization
from labelmint.progress import Event, Report
from labelmint.usefulness.order import in_order
from labelmint.usefulness.plan import Cell
from labelmint.usefulness.real import RealPairs

__all__ = ["Shared", "shared"]

_FEWEST_OTHERS, _MOST_OTHERS, _VIEWS = 10, 100, 2000


class Shared(BaseModel):
    """What the synthetic pairs of a cell give away.

    Attributes:
        samples: pairs that were looked at.
        copies: near-copies among them; None where the rule could not be set, and `why`.
        alarms: share of real held-out views that the rule calls copies, too.
        auc: of membership. members, others: images that it was measured on.
        seconds: that it took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int
    copies: int | None
    why: str = ""
    alarms: float | None = None
    auc: float
    members: int
    others: int
    seconds: float


def shared(cell: Cell, real: RealPairs, samples: Views, report: Report) -> Shared:
    """Look for copies, and attack membership."""
    begin = time.perf_counter()
    members, others = _parts(cell, real)
    copies, alarms, why = _copies(members, others, samples, cell.seed, report)
    size, orientations = real.geometry.size, orientations_of(real.geometry)
    distances = []
    for part in (members, others):
        seen = tiles(part, size, _VIEWS)
        number = {name: k for k, name in enumerate(dict.fromkeys(seen.names))}
        of = [number[name] for name in seen.names]
        distances.append(sample_distances(seen.images, samples.images, of, orientations))
    return Shared(
        samples=len(samples),
        copies=copies,
        why=why,
        alarms=alarms,
        auc=membership_auc(*distances),
        members=len(members),
        others=len(others),
        seconds=time.perf_counter() - begin,
    )


def orientations_of(geometry: Geometry) -> tuple[int, ...]:
    """The orientations (`metrics.view_distance.turned`) in which training may have shown an image."""
    flips, turns, mirror = (name in geometry.augment for name in ("flips", "turns", "mirror"))
    if turns:
        return tuple(range(8)) if flips or mirror else (0, 1, 2, 3)
    return (0, 2, 4, 6) if flips else (0, 4) if mirror else (0,)


def _parts(cell: Cell, real: RealPairs) -> tuple[list[Pair], list[Pair]]:
    """The images of a cell, and others: at most 100, chosen by a hash."""
    names = real.pairs(cell)
    known = {*names.training, *names.validation}
    left = [name for name in (*real.parts.training, *real.parts.validation) if name not in known]
    chosen = in_order(left, cell.seed, real.parts.groups)[:_MOST_OTHERS]
    members, others = ([real.fitted[name] for name in part] for part in (names.training, chosen))
    groups = {pair.group for pair in members}
    others = [pair for pair in others if pair.group not in groups]  # neighbors of members are neither
    if len(others) < _FEWEST_OTHERS:
        others = [
            Pair(name=f"test {k}", group=group, image=image, ids=labels)
            for k, (group, image, labels) in enumerate(
                zip(real.test.groups, real.test.images, real.test.labels, strict=True)
            )
        ][:_MOST_OTHERS]
    return members, others


def _copies(
    members: list[Pair], others: list[Pair], samples: Views, seed: int, report: Report
) -> tuple[int | None, float | None, str]:
    try:
        found = memorization(
            samples.images,
            [one.image for one in members],
            [one.image for one in others],
            training_groups=[one.group for one in members],
            held_out_groups=[one.group for one in others],
            seed=seed,
            tell=lambda what, done, of: report(Event(what, done, of)),
        )
    except InputError as error:
        return None, None, str(error)
    return int(np.count_nonzero(found.copies)), found.alarms, ""

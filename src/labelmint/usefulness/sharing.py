"""May synthetic pairs be shared in place of the images that they were made from? What a cell's pairs give away.

    copies        near-copies of the images that the generator learned from among the pairs that arm Y learns from, by
                  the search and the rule of `evaluate` (`metrics.memorization`)
    membership    AUC of telling the images that the generator was trained on from others by the nearest sample
                  (`metrics.membership`), and of telling the images of the pool, where it learned from a pool

The others are images of the training part that the generator has not seen; of the test part where there are too few.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.tiles import tiles_of
from labelmint.errors import InputError
from labelmint.evaluation.views import Views, tiles
from labelmint.metrics.membership import membership_auc, sample_distances
from labelmint.metrics.memorization import memorization
from labelmint.pool.images import digest_of_image
from labelmint.progress import Event, Report
from labelmint.types import Array
from labelmint.usefulness.order import in_order
from labelmint.usefulness.plan import Cell
from labelmint.usefulness.real import MOST_APART, RealPairs

__all__ = ["Shared", "shared"]

_FEWEST_OTHERS, _VIEWS = 10, 2000


class Shared(BaseModel):
    """What the synthetic pairs of a cell give away.

    Attributes:
        samples: pairs that were looked at.
        copies: near-copies among them; None where the rule could not be set, and `why`.
        alarms: share of real held-out views that the rule calls copies, too.
        auc: of membership. members, others: images that it was measured on: as many as have 2,000 tiles in all.
        auc_pool: of the images of the pool that the generator learned from, pool: how many, likewise; None where there
            are none.
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
    auc_pool: float | None = None
    pool: int = 0
    seconds: float


def shared(
    cell: Cell,
    real: RealPairs,
    samples: Views,
    report: Report,
    *,
    trained: Collection[str] | None = None,
    pool: Sequence[Pair] = (),
) -> Shared:
    """Look for copies of the cell's images, and attack the membership of those that were trained on.

    Arguments:
        trained: names of the cell's pairs that the generator was trained on, without those that it was held to; None
            for all of them.
        pool: images without labels that the generator learned from beside the cell's pairs.
    """
    begin = time.perf_counter()
    members, others = _parts(cell, real, pool)
    copies, alarms, why = _copies([*members, *_of_pool(pool)], others, samples, cell.seed, report)
    members = [one for one in members if trained is None or one.name in trained]
    size, orientations = real.geometry.size, orientations_of(real.geometry)

    def distances(part: Sequence[Pair]) -> Array:
        seen = _views_of_whole(part, size)
        number = {name: k for k, name in enumerate(dict.fromkeys(seen.names))}
        of = [number[name] for name in seen.names]
        return sample_distances(seen.images, samples.images, of, orientations)

    # by a hash, as members and others are: some may not be looked at
    by_name = {one.name: one for one in pool}
    beside = [by_name[name] for name in in_order(list(by_name), cell.seed, None)]
    known, apart = distances(members), distances(others)
    of_pool = distances(beside) if beside else None
    return Shared(
        samples=len(samples),
        copies=copies,
        why=why,
        alarms=alarms,
        auc=membership_auc(known, apart),
        members=len(known),
        others=len(apart),
        auc_pool=None if of_pool is None else membership_auc(of_pool, apart),
        pool=0 if of_pool is None else len(of_pool),
        seconds=time.perf_counter() - begin,
    )


def orientations_of(geometry: Geometry) -> tuple[int, ...]:
    """The orientations (`metrics.view_distance.turned`) in which training may have shown an image."""
    flips, turns, mirror = (name in geometry.augment for name in ("flips", "turns", "mirror"))
    if turns:
        return tuple(range(8)) if flips or mirror else (0, 1, 2, 3)
    return (0, 2, 4, 6) if flips else (0, 4) if mirror else (0,)


def _parts(cell: Cell, real: RealPairs, pool: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The images of a cell, and others that are neither among them nor in the pool: at most 100, chosen by a hash."""
    names, seen = real.pairs(cell), {digest_of_image(pair.image) for pair in pool}
    known = {*names.training, *names.validation}
    left = [
        name
        for name in (*real.parts.training, *real.parts.validation)
        if name not in known and digest_of_image(real.fitted[name].image) not in seen
    ]
    chosen = in_order(left, cell.seed, real.parts.groups)[:MOST_APART]
    trained = in_order(names.training, cell.seed, real.parts.groups)
    members, others = ([real.fitted[name] for name in part] for part in (trained, chosen))
    groups = {pair.group for pair in members}
    others = [pair for pair in others if pair.group not in groups]  # neighbors of members are neither
    if len(others) < _FEWEST_OTHERS:
        others = list(real.apart)
    return members, others


def _views_of_whole(pairs: Sequence[Pair], size: tuple[int, int]) -> Views:
    """All tiles of as many of the first pairs as have 2,000 in all: the nearest of few tiles is farther away than that
    of many, so that no pair may lack some.
    """
    total = np.cumsum([len(tiles_of(one.ids.shape, size)) for one in pairs])
    count = max(int(np.searchsorted(total, _VIEWS, side="right")), 1)
    return tiles(pairs[:count], size, int(total[count - 1]))


def _of_pool(pool: Sequence[Pair]) -> list[Pair]:
    """The images of a pool, whose groups may be called as those of other data are."""
    return [replace(pair, group=f"pool {pair.group}") for pair in pool]


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

"""Batches of labelled pairs with images without labels among them.

    row k of a batch is an image without a label where floor((k + 1) q) > floor(k q),    q: their share

so that both are spread evenly over the batch. The layout of an image without a label is of symbol 0 everywhere, and
means nothing: `Batch.labelled` tells which rows have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.types import Batch

__all__ = ["Part", "labelled_rows", "parted", "with_unlabelled"]


class Part(NamedTuple):
    """The rows of a batch that show pairs, or those that show images without labels.

    Attributes:
        places: of the rows in the batch of this process. rows: which they are of the `size` ones that all processes
            have of these.
    """

    places: Sequence[int]
    rows: Sequence[int]
    size: int


def labelled_rows(size: int, share: float) -> int:
    """How many rows of a batch show pairs: n - floor(n q)."""
    return size - math.floor(size * share)


def parted(share: float, size: int, rank: int = 0, world: int = 1) -> tuple[Part, Part]:
    """The rows of a batch that show pairs, and those that show images without labels, of one process: of pairs alone
    every world-th row from `rank` on, else the rank-th of as many runs of rows, which has its share of both.

    Arguments:
        share: q, 0 to 1. size: rows of all processes together.
    """
    before = [math.floor(k * share) for k in range(size + 1)]  # images without labels among the first k rows
    first, last = size * rank // world, size * (rank + 1) // world
    rows = [*enumerate(range(first, last) if share else range(rank, size, world))]
    pairs = [(place, k - before[k]) for place, k in rows if before[k + 1] == before[k]]
    others = [(place, before[k]) for place, k in rows if before[k + 1] > before[k]]
    return (
        Part([place for place, _ in pairs], [row for _, row in pairs], size - before[size]),
        Part([place for place, _ in others], [row for _, row in others], before[size]),
    )


def with_unlabelled(
    pairs: Pairs, pool: Pairs | None, share: float, step: int, size: int, rank: int = 0, world: int = 1
) -> Batch:
    """The batch of a step, a function of the seeds of pairs and pool and of the step; of several processes the rows
    that `parted` names.

    Arguments:
        pool: images without labels; without any the batch is that of the pairs.
        share: q, of the rows, 0 to 1. size: rows of all processes together.
    """
    if pool is None:
        return pairs.batch(step, size, rank, world)
    parts, views = parted(share, size, rank, world), dict[int, tuple[Pair, int]]()
    for source, part in zip((pairs, pool), parts, strict=True):
        for place, row in zip(part.places, part.rows, strict=True):
            views[place] = source.view(step, part.size, row)
    known = torch.zeros(len(views), dtype=torch.bool)
    known[torch.tensor(parts[0].places, dtype=torch.long)] = True
    return replace(pairs.collated([views[place] for place in range(len(views))]), labelled=known)

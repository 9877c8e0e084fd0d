"""Batches of labelled pairs with images without labels among them.

    row k of a batch is an image without a label where floor((k + 1) q) > floor(k q),    q: their share

so that both are spread evenly over the batch. The layout of an image without a label is of symbol 0 everywhere, and
means nothing: `Batch.labelled` tells which rows have one.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from labelmint.datasets.pairs import Pairs
from labelmint.types import Batch

__all__ = ["with_unlabelled"]


def with_unlabelled(
    pairs: Pairs, pool: Pairs, share: float, step: int, size: int, rank: int = 0, world: int = 1
) -> Batch:
    """The batch of a step, a function of the seed of the pairs and of the step: every world-th row from `rank` on.

    Arguments:
        pool: images without labels. share: q, of the rows, 0 to 1. size: rows of all processes together.
    """
    before = [math.floor(k * share) for k in range(size + 1)]  # images without labels among the first k rows
    views, known = [], []
    for k in range(rank, size, world):
        without = before[k + 1] > before[k]
        source, row, count = (
            (pool, before[k], before[size]) if without else (pairs, k - before[k], size - before[size])
        )
        views.append(source.view(step, count, row))
        known.append(not without)
    return replace(pairs.collated(views), labelled=torch.tensor(known))

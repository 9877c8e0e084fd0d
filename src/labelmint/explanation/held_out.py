"""Held-out views as a tokenizer sees them, and what it makes of them.

Where training cuts crops, an image becomes tiles of the crop's size, side by side; else it is resized, as in
training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.splits import group_of
from labelmint.metrics.bootstrap import interval
from labelmint.protocols import Tokenizer
from labelmint.runs.trained import TrainedSystem
from labelmint.types import Array, Batch, DataSet, LayoutBatch

__all__ = ["Decode", "Mean", "batches_of", "encoded", "mean_of", "squared_errors", "tokens_of", "views_of"]

AT_ONCE, RESAMPLES = 32, 500
# tokens (B, rows, w) and layouts -> images (B, C, H, W)
Decode: TypeAlias = Callable[[Tensor, LayoutBatch], Tensor]


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over views with its 95 % interval by bootstrap over whole images (or groups); None where all views are of
    one of them, which says nothing of how they differ.
    """

    value: float
    low: float | None
    high: float | None


def views_of(system: TrainedSystem, data: DataSet, names: Sequence[str], at_most: int) -> Pairs:
    """Views of some pairs of a data set, images and symbol maps, thinned where there are more than `at_most`;
    raises InputError for classes that the run does not know.
    """
    by = system.config.request.group_by
    cut = system.pairs_of(data.subset(names)).tiles(system.size, at_most)
    cut.groups = tuple(group_of(name, by) for name in cut.names)
    return cut


def batches_of(views: Pairs, device: torch.device) -> Iterator[Batch]:
    """All views in order, a few at a time."""
    for first in range(0, len(views), AT_ONCE):
        yield views.fixed(first, AT_ONCE).to(device)


def encoded(views: Pairs, tokens: Tensor, device: torch.device) -> Iterator[tuple[Batch, Tensor]]:
    """The batches of all views, each with its slice of their tokens (N, rows, w)."""
    first = 0
    for batch in batches_of(views, device):
        yield batch, tokens[first : first + len(batch)].to(device)
        first += len(batch)


@torch.no_grad()
def tokens_of(tokenizer: nn.Module, views: Pairs, device: torch.device) -> Tensor:
    """What a tokenizer of one stream makes of all views: (N, rows, w), on the CPU."""
    named = cast(Tokenizer, tokenizer)
    (stream,) = named.streams
    return torch.cat([named.encode(batch)[stream.name].cpu() for batch in batches_of(views, device)])


@torch.no_grad()
def squared_errors(views: Pairs, tokens: Tensor, decode: Decode, device: torch.device) -> Array:
    """Mean squared error of each view, (N,), on [-1, 1], decoded from its tokens (N, rows, w)."""
    found = [
        (decode(its, batch.layouts).float() - batch.image).square().mean(dim=(1, 2, 3)).cpu().numpy()
        for batch, its in encoded(views, tokens, device)
    ]
    return np.concatenate(found).astype(np.float64)


def mean_of(values: Array, views: Pairs, seed: int) -> Mean:
    """Mean of one value a view."""
    low, high = None, None
    if len(set(views.groups)) > 1:
        low, high = interval(
            lambda chosen: float(values[chosen].mean()), len(values), RESAMPLES, seed, groups=views.groups
        )
    return Mean(value=float(values.mean()), low=low, high=high)

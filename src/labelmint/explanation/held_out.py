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

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.splits import group_of
from labelmint.evaluation.views import Fitted, tiles
from labelmint.metrics.bootstrap import interval
from labelmint.protocols import Tokenizer
from labelmint.runs.trained import TrainedSystem
from labelmint.types import Array, Batch, DataSet, LayoutBatch

__all__ = ["Decode", "HeldOut", "Mean", "mean_of", "squared_errors", "tokens_of", "views_of"]

AT_ONCE, RESAMPLES = 32, 500
# tokens (B, rows, w) and layouts -> images (B, C, H, W)
Decode: TypeAlias = Callable[[Tensor, LayoutBatch], Tensor]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """N views of one size.

    Attributes:
        names: (N,) of the images that they were cut from. groups: (N,) of patients or slides, or the names
            again.
        pairs: images and symbol maps.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: Pairs

    def __len__(self) -> int:
        return len(self.names)

    @property
    def images(self) -> Array:
        """(N, H, W, C) uint8."""
        return np.stack(list(self.pairs.images))

    def batches(self, device: torch.device) -> Iterator[Batch]:
        """All of them in order, a few at a time."""
        for first in range(0, len(self), AT_ONCE):
            yield self.pairs.fixed(first, min(AT_ONCE, len(self) - first)).to(device)

    def encoded(self, tokens: Tensor, device: torch.device) -> Iterator[tuple[Batch, Tensor]]:
        """The same, each with its tokens, of those of all views (N, rows, w)."""
        first = 0
        for batch in self.batches(device):
            yield batch, tokens[first : first + len(batch.image)].to(device)
            first += len(batch.image)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over views with its 95 % interval by bootstrap over whole images (or groups)."""

    value: float
    low: float
    high: float


def views_of(system: TrainedSystem, data: DataSet, names: Sequence[str], at_most: int) -> HeldOut:
    """Views of some pairs of a data set, thinned where there are more than `at_most`; raises InputError for
    classes that the run does not know.
    """
    fitted = system.pairs_of(data.subset(names))
    by = system.config.request.group_by
    whole = [
        Fitted(name=name, group=group_of(name, by), image=image, labels=ids, instances=None)
        for name, image, ids in zip(names, fitted.images, fitted.ids, strict=True)
    ]
    cut = tiles(whole, system.size, at_most)
    pairs = Pairs(list(cut.images), list(cut.labels), Geometry(size=system.size), system.config.request.seed)
    return HeldOut(names=cut.names, groups=cut.groups, pairs=pairs)


@torch.no_grad()
def tokens_of(tokenizer: nn.Module, views: HeldOut, device: torch.device) -> Tensor:
    """What a tokenizer of one stream makes of all views: (N, rows, w), on the CPU."""
    named = cast(Tokenizer, tokenizer)
    (stream,) = named.streams
    return torch.cat([named.encode(batch)[stream.name].cpu() for batch in views.batches(device)])


@torch.no_grad()
def squared_errors(views: HeldOut, tokens: Tensor, decode: Decode, device: torch.device) -> Array:
    """Mean squared error of each view, (N,), on [-1, 1], decoded from its tokens (N, rows, w)."""
    found = [
        (decode(its, batch.layouts).float() - batch.image).square().mean(dim=(1, 2, 3)).cpu().numpy()
        for batch, its in views.encoded(tokens, device)
    ]
    return np.concatenate(found).astype(np.float64)


def mean_of(values: Array, views: HeldOut, seed: int) -> Mean:
    """Mean of one value a view."""
    low, high = interval(
        lambda chosen: float(values[chosen].mean()), len(values), RESAMPLES, seed, groups=views.groups
    )
    return Mean(value=float(values.mean()), low=low, high=high)

"""The training pairs in memory: images and symbol maps, drawn into batches by one random draw for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from labelmint.datasets.rebalancing import Showing
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.types import Array, Batch, LayoutBatch

__all__ = ["Draw", "Pairs"]


class Draw(Protocol):
    """What `datasets.geometry.Geometry` does: move an image (H, W, C) and its ids (H, W) alike."""

    def draw(
        self, rng: np.random.Generator, image: Array, ids: Array, around: tuple[int, int] | None = None
    ) -> tuple[Array, Array]:
        """A random view at the size of training, of those that show the pixel `around`."""

    def center(self, image: Array, ids: Array) -> tuple[Array, Array]:
        """The one fixed view at that size."""

    def still(self, ids: Array) -> bool:
        """Whether every view of the image with this map is that one."""


class Pairs:
    """Images (H, W, C) uint8 with symbol maps (H, W), and how to view them; `class_of` says which symbols are
    of one class.

    A batch is a function of (seed, step) alone: an epoch is one permutation of the pairs, and each step has a
    random generator of its own. So a run that was stopped goes on as if it never had been.
    """

    def __init__(
        self,
        images: Sequence[Array],
        ids: Sequence[Array],
        geometry: Draw,
        seed: int,
        class_of: Mapping[int, int] | None = None,
    ) -> None:
        self.images, self.ids, self.geometry, self.seed, self.class_of = (
            images,
            ids,
            geometry,
            seed,
            class_of or {},
        )
        self._shown = 0.0
        self._showing: Showing | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def views(self) -> int:
        """Views an epoch: one a pair, or as many crops as cover the area of the images."""
        view = self.fixed(0, 1).layouts.ids[0].numel()
        return max(round(sum(ids.size for ids in self.ids) / view), len(self))

    @property
    def variance(self) -> float:
        """Variance of the pixels on [-1, 1]; at least 1e-4, for data without any."""
        return max(EIGHT_BITS.variance(self.images), 1e-4)

    @property
    def still(self) -> bool:
        """Whether a batch is `items` of it in their fixed views: nothing is cropped, augmented or shown more
        often.
        """
        return self._showing is None and all(self.geometry.still(ids) for ids in self.ids)

    def items(self, step: int, size: int) -> list[int]:
        """Which pairs the batch of a step shows, by their place, but for those that are shown more often."""
        return [self._item(step * size + k) for k in range(size)]

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step: every world-th of its items from `rank` on."""
        chosen = self.items(step, size)
        rngs = np.random.default_rng([self.seed, 1, step]).spawn(size)
        return _collate([self._view(rngs[k], chosen[k]) for k in range(rank, size, world)])

    def showing(self, share: float) -> Pairs:
        """The same pairs, of whose views a share is drawn to show each class as often as the others."""
        pairs = Pairs(self.images, self.ids, self.geometry, self.seed, self.class_of)
        pairs._shown, pairs._showing = share, Showing(self.ids, self.class_of) if share else None
        return pairs

    def _view(self, rng: np.random.Generator, which: int) -> tuple[Array, Array]:
        around = None
        if self._showing and rng.random() < self._shown:
            which, around = self._showing.choose(rng)
        return self.geometry.draw(rng, self.images[which], self.ids[which], around)

    def fixed(self, first: int, size: int) -> Batch:
        """Pairs first ... first + size - 1 in their fixed view, for held-out figures and pictures."""
        return _collate(
            [
                self.geometry.center(i, s)
                for i, s in zip(
                    self.images[first : first + size], self.ids[first : first + size], strict=True
                )
            ]
        )

    def _item(self, count: int) -> int:
        epoch, place = divmod(count, len(self))
        if getattr(self, "_epoch", None) != epoch:
            self._epoch, self._order = (
                epoch,
                np.random.default_rng([self.seed, 0, epoch]).permutation(len(self)),
            )
        return int(self._order[place])


def _collate(views: list[tuple[Array, Array]]) -> Batch:
    ids = torch.from_numpy(np.stack([ids for _, ids in views]))
    return Batch(EIGHT_BITS.to_unit(np.stack([image for image, _ in views])), LayoutBatch(ids))

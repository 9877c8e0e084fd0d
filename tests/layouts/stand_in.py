"""A source of boxes that stands in for a trained one: boxes of given layouts, with wished objects put among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.usual import sizes_of
from labelmint.layouts.wishes import Wish, Wishes
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed
from labelmint.types import Array, Kept, LayoutBatch

__all__ = ["Resampled", "made_up", "rule_for"]


def made_up(kinds: int, count: int, seed: int = 0, most: int = 6) -> list[Array]:
    """Layouts of objects (N, 5): up to `most` of each of the classes 0 ... kinds - 1, of many sizes, anywhere."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        ids = np.repeat(np.arange(kinds), rng.integers(0, most + 1, kinds))
        sides = np.exp(rng.uniform(np.log(0.02), np.log(0.3), (len(ids), 2)))
        corner = rng.uniform(0, 1 - sides)
        found.append(np.concatenate([ids[:, None], corner, corner + sides], axis=1))
    return found


def rule_for(kinds: int, most: int = 64) -> BoxRule:
    """Symbols are class ids; the ignored one comes after them."""
    return BoxRule(first={k: k for k in range(kinds)}, grounds=(), ignored=kinds, most=most)


class Resampled:
    """Layout source of given layouts (N, 5), in which each wish takes the place of an object of its class."""

    dials: tuple[Dial, ...] = ()

    def __init__(self, layouts: Sequence[Array], size: tuple[int, int]) -> None:
        self.layouts, self.size, self.every = layouts, size, np.concatenate(layouts)

    def sample(
        self,
        seeds: Sequence[Seed],
        dials: Dials,
        kept: Kept | None = None,
        wishes: Sequence[Wishes | None] | None = None,
    ) -> LayoutBatch:
        rows = [self._one(seed, one) for seed, one in zip(seeds, wishes or [None] * len(seeds), strict=True)]
        boxes = torch.full((len(rows), max(map(len, rows)), 5), -1.0)
        scale = [1, self.size[1], self.size[0], self.size[1], self.size[0]]
        for row, some in enumerate(rows):
            boxes[row, : len(some)] = torch.from_numpy(some * scale)
        return LayoutBatch(torch.zeros(len(rows), *self.size, dtype=torch.uint8), boxes=boxes)

    def check(self, wishes: Wishes) -> None:
        """It can draw them all."""

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        return 0

    def _one(self, seed: Seed, wishes: Wishes | None) -> Array:
        rng = np.random.default_rng(seed)
        free, wished = self.layouts[int(rng.integers(len(self.layouts)))], np.zeros((0, 5))
        for wish in () if wishes is None else wishes.objects:
            of_class = np.flatnonzero(free[:, 0] == wish.class_id)[:1]
            free = np.delete(free, of_class, axis=0)
            wished = np.concatenate([wished, self._placed(wish, rng)[None]])
        for class_id, most in ({} if wishes is None else wishes.most_of).items():
            own, further = np.flatnonzero(free[:, 0] == class_id), most - (wished[:, 0] == class_id).sum()
            free = np.delete(free, own[max(further, 0) :], axis=0)
        return np.concatenate([wished, free])

    def _placed(self, wish: Wish, rng: np.random.Generator) -> Array:
        known = self.every[self.every[:, 0] == wish.class_id, 1:]
        sizes = sizes_of(known)
        known = known[(sizes >= wish.least) & (sizes <= wish.most)]
        half = (known[int(rng.integers(len(known)))] if len(known) else np.array([0, 0, 0.1, 0.1])).reshape(
            2, 2
        )
        half = (half[1] - half[0]) / 2
        if not len(known):
            half *= (wish.least + wish.most) / 2 / (2 * np.sqrt(half.prod()))
        x0, y0, x1, y1 = wish.within
        middle = rng.uniform((x0, y0), (x1, y1))
        return np.array([wish.class_id, *(middle - half), *(middle + half)])

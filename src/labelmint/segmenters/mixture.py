"""Batches of real and synthetic pairs in a given proportion, augmented or not.

    P(an item is synthetic) = ratio / (1 + ratio)
    P(it is of a further source i, with w_i of its pairs for each real one) = w_i / (1 + ratio + sum of w)

A third of the views show a pixel of a foreground class that was drawn with equal chances for all, as
nnU-Net's do: else a segmenter may never find a class of few pixels, and whatever shows it more often would
seem to help. A batch is a function of (seed, step) alone, as those of `Pairs` are.

References:
    nnU-Net (Isensee et al., 2021), https://doi.org/10.1038/s41592-020-01008-z: a third of each batch shows
    foreground
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.rebalancing import Showing
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.segmenters.augmentation import augment
from labelmint.segmenters.copy_paste import CopyPaste
from labelmint.types import Array, Batch, LayoutBatch

__all__ = ["Change", "Mixture"]

# images (B, C, H, W) on [-1, 1], their ids (B, H, W), and the random numbers -> the same, changed alike
Change = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

TURN, SMALL_TURN = 45.0, 15.0  # degrees: where right-angle turns keep labels true, and where they do not
_SHOWN = 1 / 3


class Mixture:
    """Training batches of a segmenter.

    Arguments:
        real, synthetic: pairs with class indices; None where the ratio asks for none.
        ratio: synthetic pairs for each real one, 0 to infinity.
        turn: the largest turn of the narrow classical augmentation in degrees; None leaves images as they are.
        copy_paste: what pastes into real pairs, or None.
        foreground: class indices that a third of the views are drawn to show.
        change: what is done to batches in place of the narrow augmentation (`segmenters.strong`).
        further: other sources of pairs, as real images with minted labels, and how many of each stand for a real one;
            without real pairs there are none.
    """

    def __init__(
        self,
        real: Pairs | None,
        synthetic: Pairs | None,
        *,
        ratio: float,
        turn: float | None,
        copy_paste: CopyPaste | None,
        seed: int,
        foreground: Sequence[int] = (),
        change: Change | None = None,
        further: Sequence[tuple[Pairs, float]] = (),
    ) -> None:
        if (real is None and not math.isinf(ratio)) or (synthetic is None and ratio > 0):
            raise ValueError(f"a ratio of {ratio:g} needs pairs that are not there")
        self._change = change if change is not None or turn is None else partial(augment, turn=turn)
        self._paste, self.seed = copy_paste, seed
        self._real, self._synthetic = (
            _Source(pairs, foreground) if pairs is not None else None for pairs in (real, synthetic)
        )
        every = 1 + ratio + sum(weight for _, weight in further)
        self._share = 1.0 if math.isinf(ratio) else ratio / every
        self._further = [
            (_Source(pairs, foreground), weight / every) for pairs, weight in further if not math.isinf(ratio)
        ]

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step."""
        rngs = np.random.default_rng([self.seed, 2, step]).spawn(size)
        views = [self._view(rng) for rng in rngs]
        image = EIGHT_BITS.to_unit(np.stack([image for image, _ in views]))
        ids = torch.from_numpy(np.stack([ids for _, ids in views]))
        if self._change is not None:
            rng = torch.Generator().manual_seed(
                int(np.random.default_rng([self.seed, 3, step]).integers(1 << 62))
            )
            image, ids = self._change(image, ids, rng)
        return Batch(image, LayoutBatch(ids))

    def _view(self, rng: np.random.Generator) -> tuple[Array, Array]:
        drawn = rng.random()
        if drawn < self._share:
            assert self._synthetic is not None
            return self._synthetic.view(rng)
        drawn -= self._share
        for source, share in self._further:
            if drawn < share:
                return source.view(rng)
            drawn -= share
        assert self._real is not None
        image, ids = self._real.view(rng)
        return self._paste(rng, image, ids) if self._paste is not None else (image, ids)


class _Source:
    """Views of real pairs, or of synthetic ones."""

    def __init__(self, pairs: Pairs, foreground: Sequence[int]) -> None:
        self.pairs, self.showing = pairs, Showing(pairs.ids, {k: k for k in foreground})

    def view(self, rng: np.random.Generator) -> tuple[Array, Array]:
        which, around = int(rng.integers(len(self.pairs))), None
        if self.showing and rng.random() < _SHOWN:
            which, around = self.showing.choose(rng)
        return self.pairs.geometry.draw(rng, self.pairs.images[which], self.pairs.ids[which], around)

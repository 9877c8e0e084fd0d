"""What a prior learns, step by step: tokens computed once and kept where every view is always the same, anew
each time elsewhere.

Where views are cropped or augmented they are hardly ever the same twice. Encoding them costs 3 to 5 % of a
prior's step at the preset `small`; a few views a pair, drawn once and kept, would save that and show the
prior less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.types import Batch, LayoutBatch

__all__ = ["TokenBatches", "Tokenize", "tokenized"]

Tokenize: TypeAlias = Callable[[Batch], tuple[Tensor, LayoutBatch | None]]

_AT_ONCE = 32


def tokenized(tokenize: Tokenize, batch: Batch, device: torch.device) -> tuple[Tensor, LayoutBatch | None]:
    """Tokens (B, h, w) of a batch, and the layouts that condition them."""
    with torch.no_grad():
        return tokenize(batch.to(device))


class TokenBatches:
    """The batch of a step in tokens, a function of (seed, step) as that of `pairs` is.

    Arguments:
        tokenize: what the prior learns of a batch.
        pairs: to learn from.
        batch_size: of all processes together. steps: at most as many; what is seen less than twice is not
            worth keeping.
        device: where it is learned. Kept tokens and layouts stay in the memory of the CPU, as small integers.
        rank, world: this process, and how many there are.
        tell: is told how many pairs are encoded, of how many, while all of them are.
    """

    def __init__(
        self,
        tokenize: Tokenize,
        pairs: Pairs,
        batch_size: int,
        steps: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        tell: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.tokenize, self.pairs, self.batch_size, self.device = tokenize, pairs, batch_size, device
        self.rank, self.world = rank, world
        self.kept = self._all(tell) if pairs.still and steps * batch_size >= 2 * len(pairs) else None

    def __call__(self, step: int) -> tuple[Tensor, LayoutBatch | None]:
        """Tokens (B, h, w) and layouts."""
        if self.kept is None:
            batch = self.pairs.batch(step, self.batch_size, self.rank, self.world)
            return tokenized(self.tokenize, batch, self.device)
        tokens, ids, coarse = self.kept
        chosen = torch.tensor(self.pairs.items(step, self.batch_size)[self.rank :: self.world])
        layouts = None
        if ids is not None:
            layouts = LayoutBatch(ids[chosen].to(self.device).int())
            if coarse is not None:
                layouts.tokens = coarse[chosen].to(self.device).long()
        return tokens[chosen].to(self.device).long(), layouts

    def _all(self, tell: Callable[[int, int], None]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Tokens of all pairs, ids of the layouts that condition them, and tokens that do, encoded in fixed batches,
        so that a resumed run gets identical ones.
        """
        tokens, ids, coarse = [], [], []
        for first in range(0, len(self.pairs), _AT_ONCE):
            its_tokens, layouts = tokenized(self.tokenize, self.pairs.fixed(first, _AT_ONCE), self.device)
            tokens.append(_small(its_tokens.cpu()))
            if layouts is not None:
                ids.append(_small(layouts.ids.cpu()))
                if layouts.tokens is not None:
                    coarse.append(_small(layouts.tokens.cpu()))
            tell(min(first + _AT_ONCE, len(self.pairs)), len(self.pairs))
        kept_ids, kept_coarse = (torch.cat(each) if each else None for each in (ids, coarse))
        return torch.cat(tokens), kept_ids, kept_coarse


def _small(numbers: Tensor) -> Tensor:
    """Return the numbers in one or two bytes each where they fit; `cat` widens where some do not."""
    highest, lowest = int(numbers.max()), int(numbers.min())
    if highest < 1 << 8 and lowest >= 0:
        return numbers.to(torch.uint8)
    return numbers.to(torch.int16 if highest < 1 << 15 else torch.int32)

"""What a prior learns, step by step: tokens computed once and kept where every view is always the same, anew
each time elsewhere.

Where views are cropped or augmented they are hardly ever the same twice. Encoding them costs 3 to 5 % of a
prior's step at the preset `small`; a few views a pair, drawn once and kept, would save that and show the
prior less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from labelmint.datasets.beside import parted
from labelmint.datasets.pairs import Pairs
from labelmint.types import Batch, LayoutBatch

__all__ = ["TokenBatches", "Tokenize", "tokenized"]

Tokenize: TypeAlias = Callable[[Batch], tuple[Tensor, LayoutBatch | None]]

_AT_ONCE = 32


def tokenized(tokenize: Tokenize, batch: Batch, device: torch.device) -> tuple[Tensor, LayoutBatch | None]:
    """Tokens (B, h, w) of a batch, and the layouts that condition them; those of images without labels mean nothing."""
    batch = batch.to(device)
    with torch.no_grad():
        tokens, layouts = tokenize(batch)
    if layouts is None or batch.labelled is None:
        return tokens, layouts
    return tokens, replace(layouts, labelled=batch.labelled)


class TokenBatches:
    """The batch of a step in tokens, a function of (seed, step) as that of `pairs` is.

    Arguments:
        tokenize: what the prior learns of a batch.
        pairs: to learn from.
        batch_size: of all processes together. steps: at most as many; what is seen less than twice is not
            worth keeping.
        device: where it is learned. Kept tokens and layouts stay in the memory of the CPU, as small integers.
        rank, world: this process, and how many there are.
        tell: is told how many images are encoded, of how many, while all of them are.
        pool: images without labels, or None. unlabelled: their share of a batch, spread as `datasets.beside` says.
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
        pool: Pairs | None = None,
        unlabelled: float = 0.0,
    ) -> None:
        self.device = device
        self.parts = parted(unlabelled if pool is not None else 0.0, batch_size, rank, world)
        sources = (pairs, pool)[: 1 + (self.parts[1].size > 0)]
        self.sources = [_Source(tokenize, each, device) for each in sources if each is not None]
        kept = [
            source
            for source, part in zip(self.sources, self.parts, strict=False)
            if source.pairs.still and steps * part.size >= 2 * len(source.pairs)
        ]
        done, of = 0, sum(len(source.pairs) for source in kept)
        for source in kept:
            for some in source.keep():
                done += some
                tell(done, of)

    def __call__(self, step: int) -> tuple[Tensor, LayoutBatch | None]:
        """Tokens (B, h, w) and layouts; with a pool these tell which of them mean something."""
        if len(self.sources) == 1:
            return self.sources[0](step, self.parts[0].size, self.parts[0].rows)
        places, tokens, layouts = list[int](), list[Tensor](), list[LayoutBatch]()
        for source, part in zip(self.sources, self.parts, strict=True):
            if part.rows:
                its_tokens, its_layouts = source(step, part.size, part.rows)
                places += part.places
                tokens.append(its_tokens)
                if its_layouts is not None:
                    means = torch.full((len(its_tokens),), source.pairs.labelled, device=its_tokens.device)
                    layouts.append(replace(its_layouts, labelled=means))
        order = torch.tensor(places).argsort().to(self.device)
        return torch.cat(tokens)[order], _together(layouts)[order] if layouts else None


class _Source:
    """Pairs, or images without labels, in tokens.

    Arguments:
        tokenize, device: as for `TokenBatches`. pairs: all of them.
    """

    def __init__(self, tokenize: Tokenize, pairs: Pairs, device: torch.device) -> None:
        self.tokenize, self.pairs, self.device = tokenize, pairs, device
        self.kept: tuple[Tensor, Tensor | None, Tensor | None] | None = None

    def __call__(self, step: int, count: int, rows: Sequence[int]) -> tuple[Tensor, LayoutBatch | None]:
        """Tokens and layouts of these rows of the `count` ones of a step."""
        if self.kept is None:
            return tokenized(self.tokenize, self.pairs.some(step, count, rows), self.device)
        tokens, ids, coarse = self.kept
        items = self.pairs.items(step, count)
        chosen = torch.tensor([items[row] for row in rows])
        layouts = None
        if ids is not None:
            layouts = LayoutBatch(ids[chosen].to(self.device).int())
            if coarse is not None:
                layouts.tokens = coarse[chosen].to(self.device).long()
        return tokens[chosen].to(self.device).long(), layouts

    def keep(self) -> Iterator[int]:
        """Keep tokens of all pairs, ids of the layouts that condition them, and tokens that do, encoded in fixed
        batches, so that a resumed run gets identical ones; yield how many are encoded, batch by batch.
        """
        tokens, ids, coarse = [], [], []
        for first in range(0, len(self.pairs), _AT_ONCE):
            its_tokens, layouts = tokenized(self.tokenize, self.pairs.fixed(first, _AT_ONCE), self.device)
            tokens.append(_small(its_tokens.cpu()))
            if layouts is not None:
                ids.append(_small(layouts.ids.cpu()))
                if layouts.tokens is not None:
                    coarse.append(_small(layouts.tokens.cpu()))
            yield len(its_tokens)
        kept_ids, kept_coarse = (torch.cat(each) if each else None for each in (ids, coarse))
        self.kept = torch.cat(tokens), kept_ids, kept_coarse


def _together(layouts: Sequence[LayoutBatch]) -> LayoutBatch:
    """Layouts that condition a prior, one after the other."""
    parts = {
        name: [part for part in map(vars, layouts) if part[name] is not None]
        for name in ("ids", "tokens", "labelled")
    }
    return LayoutBatch(**{name: torch.cat([part[name] for part in of]) for name, of in parts.items() if of})


def _small(numbers: Tensor) -> Tensor:
    """Return the numbers in one or two bytes each where they fit; `cat` widens where some do not."""
    highest, lowest = int(numbers.max()), int(numbers.min())
    if highest < 1 << 8 and lowest >= 0:
        return numbers.to(torch.uint8)
    return numbers.to(torch.int16 if highest < 1 << 15 else torch.int32)

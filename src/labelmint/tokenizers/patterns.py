"""Layouts by the patterns of their cells: a table counted on the training layouts, not learned.

    token of a cell = the entry that differs from it in the fewest pixels, the first of several

The table holds S cells of one symbol each: so no cell is worse than under the coarse label map of the same
grid (`tokenizers.label_map`). Then, one by one, the pattern that is missed most: how often it occurs times
the pixels in which it differs from its nearest entry so far. By frequency alone entries go to cells that
hardly differ, as in a learned codebook (`experiments/label_fidelity.py`; figures in docs/measured/systems.md).

A cell's token depends on that cell alone, and needs no training. Cells must be of a few pixels, which hold
few patterns.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Patterns"]

_SEARCH_BYTES = 16 << 20  # of differences at once
_CANDIDATE_PIXELS = 1 << 20  # of the most frequent patterns, which entries are chosen from


class Patterns(nn.Module):
    """Symbol ids (B, H, W) <-> tokens (B, H / s, W / s) of K values.

    Arguments:
        symbols: S.
        entries: K, at least S.
        cell: s.

    Before it has counted, every cell counts as one of a single symbol.
    """

    table: Tensor

    def __init__(self, symbols: int, entries: int, cell: int) -> None:
        super().__init__()
        if entries < symbols:
            raise ValueError(f"a table of {entries} patterns has no room for {symbols} symbols")
        self.cell = cell
        single = (torch.arange(entries) % symbols).int()  # those that come again are never the first
        self.register_buffer("table", single[:, None].repeat(1, cell * cell))
        self.symbols = symbols

    @torch.no_grad()
    def count(self, layouts: Iterable[Tensor]) -> None:
        """Fill the table from batches of symbol ids. Of several missed as much the most frequent comes first,
        then by symbols.
        """
        seen, counts = self.table[:0].cpu(), torch.zeros(0, dtype=torch.long)
        for ids in layouts:
            cells = torch.cat([seen, self._cells(ids.cpu())])
            once = torch.ones(len(cells) - len(seen), dtype=torch.long)
            seen, which = _distinct(cells)
            counts = torch.zeros(len(seen), dtype=torch.long).index_add_(0, which, torch.cat([counts, once]))
        if not len(seen):
            return
        order = np.lexsort((*seen.T.flip(0).numpy(), -counts.numpy()))[
            : max(_CANDIDATE_PIXELS // self.cell**2, len(self.table))
        ]
        seen, counts = seen[order], counts[order]
        missed = torch.full((len(seen),), self.cell**2)
        for symbol in range(self.symbols):
            missed = torch.minimum(missed, (seen != symbol).sum(dim=1))
        for entry in range(self.symbols, len(self.table)):
            most = int((counts * missed).numpy().argmax())  # NumPy's is the first of several
            if missed[most] == 0:
                break  # all that there are have an entry
            self.table[entry] = seen[most]
            missed = torch.minimum(missed, (seen != seen[most]).sum(dim=1))

    @torch.no_grad()
    def encode(self, ids: Tensor) -> Tensor:
        """Tokens, int64; H and W must be multiples of s."""
        different, which = _distinct(self._cells(ids))  # most cells are alike
        batch, rows, columns = ids.shape[0], ids.shape[1] // self.cell, ids.shape[2] // self.cell
        return self._nearest(different)[which].view(batch, rows, columns)

    def decode(self, tokens: Tensor) -> Tensor:
        """Symbol ids, int16."""
        batch, rows, columns = tokens.shape
        cells = self.table[tokens].to(torch.int16).view(batch, rows, columns, self.cell, self.cell)
        return cells.transpose(2, 3).reshape(batch, rows * self.cell, columns * self.cell)

    @property
    def used(self) -> Tensor:
        """Booleans (K,): the entries that a cell can take. With fewer patterns than entries the last are
        copies of the first.
        """
        first = torch.arange(len(self.table), device=self.table.device) < self.symbols
        return first | (self.table != self.table[:, :1]).any(dim=1)

    def projected(self, width: int, generator: torch.Generator) -> Tensor:
        """What each entry shows as a vector of random directions, (K, width): one for each symbol at each
        pixel, and one for each symbol's share of the cell. Entries that agree in more pixels, or in what they
        hold, are nearer.
        """
        at, of = (torch.randn(n * self.symbols, width, generator=generator) for n in (self.cell**2, 1))
        directions = at + of.repeat(self.cell**2, 1) / self.cell
        places = self.table.long().cpu() + self.symbols * torch.arange(self.cell**2)
        return functional.embedding_bag(places, directions, mode="sum")

    def _cells(self, ids: Tensor) -> Tensor:
        """(B, H, W) -> (B h w, s s) int16."""
        batch, height, width = ids.shape
        split = ids.to(torch.int16).view(batch, height // self.cell, self.cell, width // self.cell, self.cell)
        return split.transpose(2, 3).reshape(-1, self.cell**2)

    def _nearest(self, cells: Tensor) -> Tensor:
        entries, table = len(self.table), self.table.to(torch.int16)
        places = torch.arange(entries, dtype=torch.int32, device=cells.device)
        found = []
        for some in cells.split(max(_SEARCH_BYTES // (4 * entries), 1)):
            differing = torch.zeros(len(some), entries, dtype=torch.int16, device=cells.device)
            for pixel in range(cells.shape[1]):
                differing += some[:, pixel, None] != table[:, pixel]
            # Of several the first, which argmin alone does not promise.
            found.append((differing.int() * entries + places).argmin(dim=1))
        return torch.cat(found)


def _distinct(cells: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of (N, P) int16, and which of them each row is.

    Numbers sort far faster than rows, so rows are told apart by a sum of 64 bits with random weights. That
    two of a million are taken for one has a chance of one in ten million.
    """
    generator = torch.Generator().manual_seed(0)
    weights = (
        torch.randint(-(1 << 62), 1 << 62, (cells.shape[1],), generator=generator)
        .mul_(2)
        .add_(1)
        .to(cells.device)
    )
    keys, which = torch.unique((cells.long() * weights).sum(dim=1), return_inverse=True)
    some = torch.empty(len(keys), dtype=torch.long, device=cells.device)
    some[which] = torch.arange(len(cells), device=cells.device)
    return cells[some], which

"""How a network sees a layout: as learned channels a symbol, or as shares of symbols in the cells of a grid.

A full-resolution one-hot map is never built: S symbols would cost S channels where a few learned ones, or
counts by scattering, serve.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.types import LayoutBatch

__all__ = ["LayoutEmbedding", "area_fractions"]


class LayoutEmbedding(nn.Module):
    """Layouts of S symbols -> maps (B, channels, H, W)."""

    def __init__(self, symbols: int, channels: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, channels)

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """At full size."""
        found: Tensor = self.embed(layouts.ids.int())
        return found.permute(0, 3, 1, 2).contiguous()


def area_fractions(ids: Tensor, grid: tuple[int, int], symbols: int) -> Tensor:
    """Share of each symbol in each cell, (B, H, W) -> (B, S, h, w) floats that sum to 1 over S.

    Counts by scattering, so that no full-resolution one-hot is ever built. H and W must be multiples of h and
    w.
    """
    batch, height, width = ids.shape
    rows, columns = grid
    cell = torch.arange(height, device=ids.device)[:, None] // (height // rows) * columns
    cell = cell + torch.arange(width, device=ids.device)[None] // (width // columns)
    flat = (cell * symbols)[None] + ids.long()
    counts = torch.zeros(batch, rows * columns * symbols, device=ids.device)
    counts.scatter_add_(1, flat.flatten(1), torch.ones((), device=ids.device).expand(batch, height * width))
    share = counts.view(batch, rows, columns, symbols).permute(0, 3, 1, 2)
    return share * (rows * columns / (height * width))

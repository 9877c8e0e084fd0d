"""How a network sees a layout: as learned channels a symbol, with or without the edges between symbols, or as shares
of symbols in the cells of a grid.

    edge(i) = 1 where the symbol of pixel i differs from that of one of its four neighbors, else 0

Symbols tell touching objects of one class apart, wherever the data have instances. So these are the edges of
instances, of given layouts and of drawn ones alike.

A full-resolution one-hot map is never built: S symbols would cost S channels where a few learned ones, or
counts by scattering, serve.

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Section 3.3, edges
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.types import LayoutBatch

__all__ = ["LayoutEmbedding", "area_fractions", "symbol_edges"]


class LayoutEmbedding(nn.Module):
    """Layouts of S symbols -> maps (B, channels, H, W).

    Arguments:
        edges: whether a channel more has the edges between symbols.

    Attributes:
        width: channels of the maps.
    """

    def __init__(self, symbols: int, channels: int, edges: bool = False) -> None:
        super().__init__()
        self.embed, self.edges, self.width = nn.Embedding(symbols, channels), edges, channels + edges

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """At full size."""
        found: Tensor = self.embed(layouts.ids.int())
        found = found.permute(0, 3, 1, 2).contiguous()
        return torch.cat([found, symbol_edges(layouts.ids)[:, None]], dim=1) if self.edges else found


def symbol_edges(ids: Tensor) -> Tensor:
    """1.0 at edges and 0.0 elsewhere, of maps (B, H, W) of symbols."""
    edges = torch.zeros_like(ids, dtype=torch.bool)
    down, right = ids[:, 1:] != ids[:, :-1], ids[:, :, 1:] != ids[:, :, :-1]
    edges[:, 1:] |= down
    edges[:, :-1] |= down
    edges[:, :, 1:] |= right
    edges[:, :, :-1] |= right
    return edges.float()


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

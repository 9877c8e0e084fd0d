"""How a layout conditions a prior: a feature map at token resolution, computed once a batch.

    area fractions of each symbol in cells finer than a token -> 1x1 embedding -> 3x3 -> strided to the token grid
    -> gated residual blocks (3x3, not causal) -> features (B, C_c, h, w)

For tokens of several stacked paths the features repeat, one copy a path. Fractions, where the published code took one class a
coarse cell, tell the prior where in a cell an object begins, and that decides what it draws there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.tokenizers.label_map import area_fractions
from labelmint.types import LayoutBatch

__all__ = ["LayoutCondition"]


class LayoutCondition(nn.Module):
    """LayoutBatch -> features (B, channels, h, w).

    Arguments:
        symbols: S.
        grid: (h, w) of the prior's tokens, all stacked paths together.
        stack: how many paths are stacked in h.
        scale: cells a token along each side.
        embedding: width of a symbol's embedding.
        channels, residual_channels, residual_blocks: of the features and their blocks.
        dropout: chance in training that an item has no layout: its features are zero. `priors.guided` needs that.
    """

    def __init__(
        self,
        symbols: int,
        grid: tuple[int, int],
        stack: int,
        scale: int,
        embedding: int,
        channels: int,
        residual_channels: int,
        residual_blocks: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.symbols, self.stack, self.channels, self.dropout = symbols, stack, channels, dropout
        self.cells = (grid[0] // stack * scale, grid[1] * scale)
        self.embed = nn.Conv2d(symbols, embedding, 1)
        self.mix = nn.Conv2d(embedding, channels, 3, padding=1)
        self.stride = nn.Conv2d(channels, channels, scale, stride=scale) if scale > 1 else nn.Identity()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ELU(),
                nn.Conv2d(channels, residual_channels, 3, padding=1),
                nn.ELU(),
                nn.Conv2d(residual_channels, 2 * channels, 3, padding=1),
                nn.GLU(dim=1),
            )
            for _ in range(residual_blocks)
        )

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """Sees the layout as it is, never its instances."""
        fractions = area_fractions(layouts.ids, self.cells, self.symbols).to(self.embed.weight.dtype)
        features = self.stride(functional.elu(self.mix(self.embed(fractions))))
        for block in self.blocks:
            features = features + block(features)
        if self.training and self.dropout > 0:
            features = features * (torch.rand(len(features), 1, 1, 1, device=features.device) >= self.dropout)
        return torch.cat([features] * self.stack, dim=2)

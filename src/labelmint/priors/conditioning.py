"""How a layout conditions a prior: a feature map at token resolution, computed once a batch.

    area fractions of each symbol in cells finer than a token -> 1x1 embedding -> 3x3 -> strided to the token
    grid -> gated residual blocks (3x3, not causal) -> features (B, C_c, h, w)

With `scene` every cell also knows which symbols occur anywhere in its layout: its embedding gains one of that
set. So background is not the same background beside other objects, which MSGNet's long paper proposes
(Section 4.4) and has no code for.

A finer level of tokens is also given those of the coarser one, drawn before it (VQ-VAE-2): each cell gains an
embedding of the coarse token that lies over it.

For tokens of several stacked paths the features repeat, one copy a path. Fractions, where the published code
took one class a coarse cell, tell the prior where in a cell an object begins, and that decides what it draws
there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.sight import area_fractions
from labelmint.protocols import Stream
from labelmint.types import LayoutBatch

__all__ = ["LayoutCondition", "with_nothing"]


def with_nothing(features: Tensor, nothing: Tensor, layouts: LayoutBatch) -> Tensor:
    """Features (B, ...) of layouts; of those that mean nothing, what stands for nothing in their place."""
    if layouts.labelled is None:
        return features
    return torch.where(layouts.labelled.view(-1, *[1] * (features.ndim - 1)), features, nothing)


class LayoutCondition(nn.Module):
    """LayoutBatch -> features (B, channels, h, w).

    Arguments:
        symbols: S.
        grid: (h, w) of the prior's tokens, all stacked paths together.
        stack: how many paths are stacked in h.
        scale: cells a token along each side.
        embedding: width of a symbol's embedding.
        channels, residual_channels, residual_blocks: of the features and their blocks.
        scene: whether a cell's embedding gains one of the symbols that occur in the layout.
        dropout: chance in training that an item has no layout, and no coarser level: its features are
            zero. `priors.guided` needs that.
        coarse: the coarser level of tokens, which the layouts then carry as `tokens`; its grid divides
            (h, w).
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
        scene: bool = False,
        dropout: float = 0.0,
        coarse: Stream | None = None,
    ) -> None:
        super().__init__()
        self.symbols, self.stack, self.channels, self.dropout = symbols, stack, channels, dropout
        self.cells = (grid[0] // stack * scale, grid[1] * scale)
        self.embed = nn.Conv2d(symbols, embedding, 1)
        self.scene = nn.Linear(symbols, embedding, bias=False) if scene else None
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
        self.coarse = nn.Embedding(coarse.codebook_size, channels) if coarse is not None else None

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """Sees the layout as it is, never its instances."""
        fractions = area_fractions(layouts.ids, self.cells, self.symbols).to(self.embed.weight.dtype)
        embedded = self.embed(fractions)
        if self.scene is not None:
            occurs = (fractions > 0).flatten(2).any(dim=2)
            embedded = embedded + self.scene(occurs.to(embedded.dtype))[:, :, None, None]
        features = self.stride(functional.elu(self.mix(embedded)))
        if self.coarse is not None:
            features = features + self._over(layouts.tokens, features)
        for block in self.blocks:
            features = features + block(features)
        if self.training and self.dropout > 0:
            features = features * (torch.rand(len(features), 1, 1, 1, device=features.device) >= self.dropout)
        return torch.cat([features] * self.stack, dim=2)

    def _over(self, tokens: Tensor | None, features: Tensor) -> Tensor:
        """Embeddings of the coarse tokens, each as large as the cells that it lies over."""
        if tokens is None or self.coarse is None:
            raise ValueError("these layouts lack the tokens of the coarser level")
        embedded = self.coarse(tokens).permute(0, 3, 1, 2)
        return functional.interpolate(embedded, features.shape[2:], mode="nearest")

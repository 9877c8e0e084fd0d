"""A layout is its own code: symbols on a grid of cells.

reduce:   a cell takes the symbol that covers most of its pixels; no symbol is invented
enlarge:  one-hot cells, bilinearly, then the largest share wins; no symbol is invented
as_seen:  enlarge(reduce(s)), the layout that the image prior sees in training, as it sees a sampled one
          later
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.nn.sight import area_fractions
from labelmint.protocols import Stream
from labelmint.types import Batch, LayoutBatch

__all__ = ["LabelMap"]


def _neighbors(cells: int, pixels: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel of an axis the two cells around its center, and the weight of the second."""
    place = ((torch.arange(pixels, device=device) + 0.5) * cells / pixels - 0.5).clamp(0, cells - 1)
    first = place.floor().long()
    return first, (first + 1).clamp(max=cells - 1), place - first


class LabelMap:
    """Tokenizer of layouts: one stream "layout" of S symbols on an (h, w) grid; decoding returns symbol ids
    at full size.

    Arguments:
        symbols: S.
        grid: (h, w); must divide the size.
        size: (H, W).
    """

    def __init__(self, symbols: int, grid: tuple[int, int], size: tuple[int, int]) -> None:
        if size[0] % grid[0] or size[1] % grid[1]:
            raise ValueError(f"a layout of {size} pixels can't be cut into a grid of {grid} cells")
        self.symbols, self.grid, self.size = symbols, grid, size

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stream."""
        return (Stream("layout", self.symbols, self.grid),)

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, h, w)."""
        return {"layout": self.encode_layouts(batch.layouts)}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Symbol ids (B, H, W); a layout is its own code and needs no other."""
        return self.decode_layouts(tokens["layout"])

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens of layouts, as a LayoutTokenizer: reduce."""
        return self.reduce(layouts.ids)

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Layouts of tokens, as a LayoutTokenizer: enlarge."""
        return self.enlarge(tokens)

    def reduce(self, ids: Tensor) -> Tensor:
        """(B, H, W) -> (B, h, w): the symbol that covers most of a cell, the lowest index among equals."""
        if self.grid == self.size:
            return ids.long()
        return area_fractions(ids, self.grid, self.symbols).argmax(dim=1)

    def enlarge(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, H, W): bilinear shares of the one-hot cells, the largest wins, the lowest symbol
        among equals.

        Only the four cells around a pixel have a share in it, so no one-hot is built.
        """
        if self.grid == self.size:
            return tokens.to(torch.int16)
        (top, bottom, down), (left, right, across) = (
            _neighbors(n, size, tokens.device) for n, size in zip(self.grid, self.size, strict=True)
        )
        down, across = down[:, None], across[None]
        corners = [
            tokens[:, row][:, :, column].to(torch.int16) for row in (top, bottom) for column in (left, right)
        ]
        weights = [v * u for v in (1 - down, down) for u in (1 - across, across)]
        best_share, best = torch.full(corners[0].shape, -1.0, device=tokens.device), corners[0]
        for candidate in corners:
            share = sum(
                (weight * (corner == candidate) for weight, corner in zip(weights, corners, strict=True)),
                start=0 * down,
            )
            better = (share > best_share + 1e-6) | ((share > best_share - 1e-6) & (candidate < best))
            best_share, best = torch.where(better, share, best_share), torch.where(better, candidate, best)
        return best

    def as_seen(self, layouts: LayoutBatch) -> LayoutBatch:
        """The layouts after reducing and enlarging: what the image prior is shown."""
        return LayoutBatch(self.enlarge(self.reduce(layouts.ids)))

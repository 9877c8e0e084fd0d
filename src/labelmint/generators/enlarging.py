"""Images of any size enlarged by a network, tile by tile where they are large.

    y[tile] = network(x[tile and `reach` pixels around it])[tile]

The reach is how far the network sees, so what comes of the cut edges of a tile is thrown away, and the tiles meet
without seams: the result is that of the whole image at once. Edges of the image itself are where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from labelmint.nn.peak_memory import SPARE, RowBytes, bytes_by_rows

__all__ = ["Enlarger", "Enlarges", "enlarged_by_tiles"]

_TILE = 128  # pixels of the small image a side, at least
_AT_ONCE = 16  # images of 64x64 pixels, and as many more or fewer as these are smaller or larger


class Enlarges(Protocol):
    """A network that makes images (B, C, h, w) `factor` times as large a side, and what it sees of them."""

    @property
    def factor(self) -> int:
        """f."""

    @property
    def reach(self) -> int:
        """How many pixels of the small image away a pixel can change a large one."""

    def __call__(self, image: Tensor) -> Tensor:
        """(B, C, f h, f w)."""


class Enlarger:
    """Upscaler of a network.

    Arguments:
        network: an `nn.Module`; it computes in evaluation mode whatever mode it is in.
        image_channels: C of its images.
        tile: pixels of the small image a side that are computed at once, beside what the network sees around them. None
            for 128, or for twice the reach where that is more, so that margins make the work fourfold at most.
    """

    def __init__(self, network: Enlarges, image_channels: int, tile: int | None = None) -> None:
        self.network, self.image_channels = network, image_channels
        self.tile = max(_TILE, 2 * network.reach) if tile is None else tile
        self._counted: dict[tuple[int, int], RowBytes] = {}

    @property
    def factor(self) -> int:
        """f, how many times as many pixels a side images get."""
        return self.network.factor

    @torch.no_grad()
    def enlarge(self, images: Tensor) -> Tensor:
        """Images (B, C, h, w) -> (B, C, f h, f w), all in [-1, 1]; a few at a time, so memory does not grow with B."""
        module = cast(nn.Module, self.network)
        modes = {each: each.training for each in module.modules()}
        module.eval()
        try:
            some = images.split(self._at_once(images.shape[-2], images.shape[-1]))
            return torch.cat([enlarged_by_tiles(self.network, few, self.tile) for few in some]).clamp(-1, 1)
        finally:
            for each, mode in modes.items():
                each.training = mode

    def enlarging_bytes(self, batch_size: int, size: tuple[int, int]) -> int:
        """Memory that enlarging `batch_size` images of (h, w) takes, in bytes, from a rehearsal of a tile."""
        shown, pixels = self._shown(*size), self.factor**2 * size[0] * size[1]
        if shown not in self._counted:
            self._counted[shown] = bytes_by_rows(lambda rows: self._rehearse(rows, shown))
        at_once = min(self._at_once(*size), batch_size)
        # twice: as they are made, and put together
        return (
            int(SPARE * self._counted[shown].of(at_once)) + 2 * 4 * self.image_channels * pixels * batch_size
        )

    def _rehearse(self, rows: int, size: tuple[int, int]) -> Tensor:
        device = next(cast(nn.Module, self.network).parameters()).device
        with torch.no_grad():
            return self.network(torch.zeros(rows, self.image_channels, *size, device=device))

    def _shown(self, height: int, width: int) -> tuple[int, int]:
        """The most pixels a side that the network is shown at once of an image."""
        most = self.tile + 2 * self.network.reach
        return min(height, most), min(width, most)

    def _at_once(self, height: int, width: int) -> int:
        shown = self._shown(height, width)
        return max(_AT_ONCE * 64 * 64 // (shown[0] * shown[1]), 1)


def enlarged_by_tiles(network: Enlarges, images: Tensor, tile: int) -> Tensor:
    """Images (B, C, h, w) -> (B, C, f h, f w), tile by tile; equal to `network(images)` but for rounding."""
    (height, width), factor = images.shape[-2:], network.factor
    if max(height, width) <= tile + 2 * network.reach:
        return network(images)
    whole = images.new_empty(*images.shape[:2], factor * height, factor * width)
    for top, bottom, above, below in _cuts(height, tile, network.reach):
        for left, right, before, behind in _cuts(width, tile, network.reach):
            made = network(images[..., above:below, before:behind])
            rows = slice(factor * (top - above), factor * (bottom - above))
            columns = slice(factor * (left - before), factor * (right - before))
            whole[..., factor * top : factor * bottom, factor * left : factor * right] = made[
                ..., rows, columns
            ]
    return whole


def _cuts(side: int, tile: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each tile begins and ends, and where that does which the network is shown for it. A side that is no longer
    than what a tile is shown of a longer one is not cut.
    """
    tile = side if side <= tile + 2 * reach else tile
    for first in range(0, side, tile):
        last = min(first + tile, side)
        yield first, last, max(first - reach, 0), min(last + reach, side)

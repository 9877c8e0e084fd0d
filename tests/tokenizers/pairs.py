"""Images and layouts that belong together: colored boxes on a ground."""

import torch

from labelmint.types import Batch, LayoutBatch

__all__ = ["SYMBOLS", "boxes"]

SYMBOLS = 3


def boxes(count: int, channels: int = 1, size: tuple[int, int] = (16, 16), seed: int = 0) -> Batch:
    """`count` pairs; a box of each symbol but the ground's, and an image whose level tells the symbol, with
    some noise.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(count, *size, dtype=torch.uint8)
    for item in ids:
        for symbol in range(1, SYMBOLS):
            y, x = (int(torch.randint(side - 5, (), generator=generator)) for side in size)
            item[y : y + 6, x : x + 6] = symbol
    levels = torch.tensor([-0.8, 0.0, 0.8])[ids.long()][:, None].repeat(1, channels, 1, 1)
    return Batch(levels + 0.1 * torch.randn(levels.shape, generator=generator), LayoutBatch(ids))

"""Reading images of any size with a network that takes any size.

An image of more pixels than a window is read window by window; each reaches beyond what is taken of it by a
margin, so that no edge but the image's own is seen. Windows begin at multiples of 64 pixels, since networks
that halve their maps give what is moved by less another phase.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = ["MARGIN", "WINDOW", "by_windows"]

WINDOW, MARGIN = 512, 64  # pixels a side that are taken of a window, and that it sees beyond

Read = Callable[[Tensor], Tensor]  # (B, C, H, W) -> probabilities (B, K, H, W)


def by_windows(read: Read, image: Tensor, window: int = WINDOW, margin: int = MARGIN) -> Tensor:
    """What is read of images (B, C, H, W), at once where they fit into a window and its margins, else in parts.

    Arguments:
        window, margin: multiples of 64 pixels.
    """
    height, width = image.shape[-2:]
    if max(height, width) <= window + 2 * margin:
        return read(image)
    rows = []
    for top, bottom in _spans(height, window):
        parts = []
        for left, right in _spans(width, window):
            up, aside = max(top - margin, 0), max(left - margin, 0)
            seen = read(image[..., up : bottom + margin, aside : right + margin])
            parts.append(seen[..., top - up : bottom - up, left - aside : right - aside])
        rows.append(torch.cat(parts, dim=-1))
    return torch.cat(rows, dim=-2)


def _spans(side: int, window: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + window, side)) for first in range(0, side, window))

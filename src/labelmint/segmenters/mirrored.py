"""Reading an image and its mirror images, and averaging what is read.

p(k | x) = mean over mirrorings m of m^-1 softmax(f(m x))[k]
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

__all__ = ["Mirrored"]


class Mirrored(nn.Module):
    """A segmenter as one that reads 2^a mirror images.

    Arguments:
        network: (B, C, H, W) -> logits (B, K, H, W).
        axes: a axes that are mirrored: rows 0, columns 1; none leaves the network as it is.
    """

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        dims = [axis + 2 for axis in axes]
        self._mirrorings = [list(some) for size in range(len(dims) + 1) for some in combinations(dims, size)]

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W), whose softmax is the mean."""
        if len(self._mirrorings) == 1:
            logits: Tensor = self.network(image)
            return logits
        shares = [self.network(image.flip(some)).softmax(dim=1).flip(some) for some in self._mirrorings]
        return torch.stack(shares).mean(dim=0).clamp_min(1e-12).log()

    def features(self, image: Tensor) -> Tensor:
        """Features of the image as it is."""
        found: Tensor = self.network.features(image)  # type: ignore[operator]
        return found

"""A convolutional LSTM that reads the maps of a layout's objects one after the other.

    (i, f, o, g) = conv([x_k, h]),    c <- sigmoid(f) c + sigmoid(i) tanh(g),    h <- sigmoid(o) tanh(c)

h and c begin at zero. Above the first layer x_k is the h of the layer below. An object that is not there leaves both as
they were.

References:
    Convolutional LSTM Network (Shi et al., 2015), https://arxiv.org/abs/1506.04214: Equation 3, without its peepholes
    Image Generation from Layout (Zhao et al., 2019), https://arxiv.org/abs/1811.11389: the object fuser
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ConvLSTM"]


class ConvLSTM(nn.Module):
    """Maps of objects (n, inputs, h, w) -> a map (B, widths[-1], h, w) for each layout.

    Arguments:
        inputs: channels of the objects' maps. widths: of the layers. kernel: an odd side.
    """

    def __init__(self, inputs: int, widths: Sequence[int], kernel: int = 5) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.cells = nn.ModuleList(
            nn.Conv2d(below + width, 4 * width, kernel, padding=kernel // 2)
            for below, width in zip((inputs, *widths), widths, strict=False)
        )

    def forward(self, maps: Tensor, item: Tensor, slot: Tensor, there: Tensor, count: int) -> Tensor:
        """The last h of the last layer.

        Arguments:
            item: (n,) the layout of each object. slot: (n,) its place in the order of reading, at most one a layout.
            there: (n,) 1.0, or 0.0 for an object that is none. count: B.
        """
        size = maps.shape[2:]
        states = [[maps.new_zeros(count, width, *size) for _ in range(2)] for width in self.widths]
        for place in range(int(slot.max()) + 1):
            rows = (slot == place).nonzero()[:, 0]
            if not len(rows):
                continue
            of, x, weight = item[rows], maps[rows], there[rows].to(maps.dtype)[:, None, None, None]
            for cell, state in zip(self.cells, states, strict=True):
                hidden, kept = (part[of] for part in state)
                enter, keep, show, value = cell(torch.cat([x, hidden], dim=1)).chunk(4, dim=1)
                new_kept = keep.sigmoid() * kept + enter.sigmoid() * value.tanh()
                x = show.sigmoid() * new_kept.tanh()
                pairs = ((hidden, x), (kept, new_kept))
                state[:] = [
                    whole.index_copy(0, of, torch.lerp(old, new, weight).to(whole.dtype))
                    for whole, (old, new) in zip(state, pairs, strict=True)
                ]
        return states[-1][0]

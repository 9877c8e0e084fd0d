"""Layouts of a data set, as they are: layout j of N serves the samples k j ... k j + k - 1 (mod k N), k =
`per_layout`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed
from labelmint.types import Kept, LayoutBatch

__all__ = ["EmpiricalLayouts"]


class EmpiricalLayouts:
    """LayoutSource over given layouts, in order of the sample's index.

    Arguments:
        ids: (N, H, W) symbol indices.
        per_layout: samples in a row that share a layout.
        tokens: (N, h, w), those that the layouts were written in, or None.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(self, ids: Tensor, per_layout: int = 1, tokens: Tensor | None = None) -> None:
        if len(ids) == 0 or per_layout < 1:
            raise ValueError(
                f"needs at least one layout and per_layout >= 1, got {len(ids)} and {per_layout}"
            )
        self.ids, self.per_layout, self.tokens = ids, per_layout, tokens

    def which(self, seed: Seed) -> int:
        """Index of the layout that a sample takes."""
        return seed[1] // self.per_layout % len(self.ids)

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """Layouts as they are: nothing of them is drawn, so all is kept."""
        rows = torch.tensor([self.which(seed) for seed in seeds], device=self.ids.device)
        return LayoutBatch(self.ids[rows], tokens=self.tokens[rows] if self.tokens is not None else None)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Maps of so many samples."""
        return batch_size * self.ids[0].numel() * self.ids.element_size()

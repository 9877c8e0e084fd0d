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
        boxes: (N, n, 5), those that stand for the layouts, or None.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(
        self, ids: Tensor, per_layout: int = 1, tokens: Tensor | None = None, boxes: Tensor | None = None
    ) -> None:
        if len(ids) == 0 or per_layout < 1:
            raise ValueError(
                f"needs at least one layout and per_layout >= 1, got {len(ids)} and {per_layout}"
            )
        self.per_layout, self._all = per_layout, LayoutBatch(ids, boxes=boxes, tokens=tokens)

    def which(self, seed: Seed) -> int:
        """Index of the layout that a sample takes."""
        return seed[1] // self.per_layout % len(self._all)

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """Layouts as they are: nothing of them is drawn, so all is kept."""
        return self._all[torch.tensor([self.which(seed) for seed in seeds], device=self._all.ids.device)]

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Maps of so many samples."""
        return batch_size * self._all.ids[0].numel() * self._all.ids.element_size()

"""Layouts drawn from a prior over symbol grids: LayoutPixelSNAIL (Section 3, Table 6 of the long paper).

g ~ p(g),    s = enlarge(g)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from labelmint.priors.ancestral import AncestralSampler, uniforms
from labelmint.protocols import Prior, Seed
from labelmint.tokenizers.label_map import LabelMap
from labelmint.types import LayoutBatch

__all__ = ["PriorLayouts"]


class PriorLayouts:
    """LayoutSource of an unconditional prior over the grid of a `LabelMap`."""

    def __init__(self, prior: Prior, label_map: LabelMap, device: torch.device) -> None:
        self.prior, self.label_map, self.device = prior, label_map, device
        self._sampler = AncestralSampler(prior)

    def sample(self, seeds: Sequence[Seed], *, temperature: float) -> LayoutBatch:
        """Layouts at full size."""
        numbers = uniforms(seeds, "layout", self.prior.grid[0] * self.prior.grid[1])
        tokens = self._sampler.draw(self.prior.prepare(None), numbers, temperature, self.device)
        return LayoutBatch(self.label_map.decode({"layout": tokens}))

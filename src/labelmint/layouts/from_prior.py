"""Layouts drawn from a prior over the tokens of a layout tokenizer.

z_s ~ p(z_s),    s = decode(z_s)

Over the cells of a label map this is LayoutPixelSNAIL (MSGNet, Section 3 and Table 6 of the long paper),
whose layouts are as coarse as its grid. Over semantic tokens (`tokenizers.coupled`) the layouts have full
resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.guided import NetworkPrior
from labelmint.protocols import LayoutTokenizer
from labelmint.seeds import Seed, uniforms
from labelmint.types import Kept, LayoutBatch

__all__ = ["PriorLayouts"]


class PriorLayouts:
    """LayoutSource of an unconditional prior over the grid of a layout tokenizer."""

    def __init__(self, prior: nn.Module, tokenizer: LayoutTokenizer, temperature: float) -> None:
        self.prior, self.tokenizer, self.temperature = cast(NetworkPrior, prior), tokenizer, temperature
        self._sampler = AncestralSampler(self.prior)

    @property
    def device(self) -> torch.device:
        """Where it draws."""
        return next(self.prior.parameters()).device

    @torch.no_grad()
    def sample(self, seeds: Sequence[Seed], *, temperature: float, kept: Kept | None = None) -> LayoutBatch:
        """Layouts at full size, and their tokens; some tokens may be kept of other layouts."""
        numbers = uniforms(seeds, "layout", self.prior.grid[0] * self.prior.grid[1])
        tokens = self._sampler.draw(self.prior.prepare(None), numbers, temperature, self.device, kept)
        return LayoutBatch(self.tokenizer.decode_layouts(tokens), tokens=tokens)

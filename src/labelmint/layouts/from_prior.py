"""Layouts drawn from a prior over the tokens of a layout tokenizer.

z_s ~ p(z_s),    s = decode(z_s)

Over the cells of a label map this is LayoutPixelSNAIL (MSGNet, Section 3 and Table 6 of the long paper),
whose layouts are as coarse as its grid. Over semantic tokens (`tokenizers.coupled`) the layouts have full
resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from labelmint.dials import LAYOUT_TEMPERATURE
from labelmint.nn.peak_memory import SPARE
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.memory import state_bytes
from labelmint.protocols import Dials, LayoutTokenizer
from labelmint.seeds import Seed, uniforms
from labelmint.types import Kept, LayoutBatch

__all__ = ["PriorLayouts"]


class PriorLayouts:
    """LayoutSource of an unconditional prior over the grid of a layout tokenizer, both in evaluation mode.

    Arguments:
        prior: over the tokens. tokenizer: whose tokens they are.
        temperature: at which it draws unless told otherwise.
    """

    def __init__(
        self, prior: NetworkPrior, tokenizer: LayoutTokenizer, temperature: float = LAYOUT_TEMPERATURE.usual
    ) -> None:
        self.prior, self.tokenizer = prior, tokenizer
        self.dials = (LAYOUT_TEMPERATURE._replace(usual=temperature),)
        self._sampler = AncestralSampler(prior)

    @property
    def device(self) -> torch.device:
        """Where it draws: where its prior is."""
        return next(self.prior.parameters()).device

    @torch.no_grad()
    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """Layouts at full size, and their tokens; some tokens may be kept of other layouts."""
        numbers = uniforms(seeds, "layout", self.prior.grid[0] * self.prior.grid[1])
        temperature = dials[LAYOUT_TEMPERATURE.name]
        tokens = self._sampler.draw(self.prior.prepare(None), numbers, temperature, self.device, kept)
        return LayoutBatch(self.tokenizer.decode_layouts(tokens), tokens=tokens)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """The prior's state, which stays; decoding is over when images are drawn, which take more."""
        return int(SPARE * state_bytes(self.prior, batch_size))

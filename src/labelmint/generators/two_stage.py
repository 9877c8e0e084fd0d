"""The two-stage generator: z ~ p(z | s) from a prior, then x = decode(z).

References:
    Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmint.priors.ancestral import AncestralSampler, uniforms
from labelmint.protocols import Prior, Seed, Tokenizer
from labelmint.types import LayoutBatch

__all__ = ["TwoStage"]


class TwoStage:
    """ImageGenerator of a prior and a one-stream tokenizer, both in evaluation mode."""

    def __init__(self, prior: Prior, tokenizer: Tokenizer) -> None:
        (stream,) = tokenizer.streams
        if stream.grid != prior.grid or stream.codebook_size != prior.codebook_size:
            raise ValueError(f"the prior is over {prior.grid} tokens of {prior.codebook_size} values, the tokenizer has {stream}")
        self.prior, self.tokenizer, self.stream = prior, tokenizer, stream
        self._sampler = AncestralSampler(prior)

    @torch.no_grad()
    def sample(self, layouts: LayoutBatch, seeds: Sequence[Seed], *, temperature: float) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]."""
        numbers = uniforms(seeds, self.stream.name, self.stream.grid[0] * self.stream.grid[1])
        tokens = self._sampler.draw(self.prior.prepare(layouts), numbers, temperature, layouts.ids.device)
        return self.tokenizer.decode({self.stream.name: tokens}, layouts)

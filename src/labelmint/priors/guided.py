"""Guidance: a prior that heeds its layout more, at the price of variety.

    log p_g(z_i | z_<i, s) = log p(z_i | z_<i) + g (log p(z_i | z_<i, s) - log p(z_i | z_<i)) + const,    g >= 0

g = 1 is the prior itself, 0 ignores the layout. The same network answers both terms, when it was trained to do without the layout now
and then (`condition_dropout`); a step is one of twice as many rows.

References:
    Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.protocols import State
from labelmint.types import LayoutBatch

__all__ = ["MOST_GUIDANCE", "GuidedPrior"]

MOST_GUIDANCE = 20.0  # beyond which next to nothing is left to chance


class GuidedPrior:
    """Prior made of a conditional PixelSNAIL and g; rows without the layout stand below those with it."""

    def __init__(self, prior: PixelSNAIL, guidance: float) -> None:
        if guidance < 0 or prior.condition is None:
            raise ValueError(f"guidance needs a conditional prior and g >= 0, got {guidance}")
        self.prior, self.guidance = prior, guidance
        self.codebook_size, self.grid = prior.codebook_size, prior.grid

    def prepare(self, condition: LayoutBatch | None) -> Tensor:
        """Features of the layouts, then of none, (2B, C_c, h, w)."""
        features = self.prior.prepare(condition)
        if features is None:
            raise ValueError("guidance needs layouts")
        return torch.cat([features, torch.zeros_like(features)])

    def logits(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """(B, h, w) -> (B, K, h, w)."""
        return self._guided(self.prior.logits(torch.cat([tokens, tokens]), condition))

    def start(self, batch_size: int, condition: Tensor, reuse: State = None) -> State:
        """As the prior's, for 2B rows."""
        return self.prior.start(2 * batch_size, condition, reuse)

    def start_fixed(self, batch_size: int, condition: Tensor, reuse: State = None) -> State:
        """As the prior's, for 2B rows."""
        return self.prior.start_fixed(2 * batch_size, condition, reuse)

    def step(self, previous: Tensor | None, state: State) -> Tensor:
        """Logits (B, K) of the next position."""
        return self._guided(self.prior.step(None if previous is None else torch.cat([previous, previous]), state))

    def _guided(self, logits: Tensor) -> Tensor:
        seen, unseen = logits.log_softmax(dim=1).chunk(2)
        return torch.lerp(unseen, seen, self.guidance)

"""Guidance: a prior that heeds its layout more, at the price of variety.

    log p_g(z_t | z_<t, s) = log p(z_t | z_<t) + g (log p(z_t | z_<t, s) - log p(z_t | z_<t)) + const,    g >= 0

g = 1 is the prior itself, 0 ignores the layout. The same network answers both terms, when it was trained to do without the layout now
and then (`condition_dropout`); a step is one of twice as many rows.

References:
    Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.priors.grouped import OnTrunk, PlacePixelSNAIL
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.protocols import State
from labelmint.types import LayoutBatch

__all__ = ["MOST_GUIDANCE", "GuidedPrior", "guided", "learned_without"]

MOST_GUIDANCE = 20.0  # beyond which next to nothing is left to chance


def guided(prior: PixelSNAIL | PlacePixelSNAIL | RowPixelSNAIL, guidance: float) -> GuidedPrior:
    """The prior of the formula above, which steps as the given one does; raises ValueError where that has no condition, and for g < 0."""
    return _GuidedPixelSNAIL(prior, guidance) if isinstance(prior, PixelSNAIL) else _GuidedGroups(prior, guidance)


def learned_without(prior: PixelSNAIL | PlacePixelSNAIL | RowPixelSNAIL) -> bool:
    """Whether a prior was trained to do without its layout now and then."""
    return _network(prior).config.condition_dropout > 0


class GuidedPrior:
    """What guided priors share. Rows without the layout stand below those with it."""

    def __init__(self, prior: PixelSNAIL | PlacePixelSNAIL | RowPixelSNAIL, guidance: float) -> None:
        if guidance < 0 or _network(prior).condition is None:
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

    def step(self, previous: Tensor | None, state: State) -> Tensor:
        """Logits of the next step, (B, K), or (B, K, G) for a prior that draws several tokens."""
        return self._guided(self.prior.step(None if previous is None else torch.cat([previous, previous]), state))

    def _guided(self, logits: Tensor) -> Tensor:
        seen, unseen = logits.log_softmax(dim=1).chunk(2)
        return torch.lerp(unseen, seen, self.guidance)


class _GuidedPixelSNAIL(GuidedPrior):
    """A FixedPrior (`priors.graphed`)."""

    prior: PixelSNAIL

    def start_fixed(self, batch_size: int, condition: Tensor, reuse: State = None) -> State:
        """As the prior's, for 2B rows."""
        return self.prior.start_fixed(2 * batch_size, condition, reuse)


class _GuidedGroups(GuidedPrior):
    """A GroupedPrior."""

    prior: PlacePixelSNAIL | RowPixelSNAIL

    @property
    def order(self) -> Tensor:
        """As the prior's."""
        return self.prior.order


def _network(prior: PixelSNAIL | OnTrunk) -> PixelSNAIL:
    return prior if isinstance(prior, PixelSNAIL) else prior.trunk

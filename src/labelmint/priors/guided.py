"""Guidance: a prior that heeds its condition more, at the price of variety.

    log p_g(z_t | z_<t, s) = log p(z_t | z_<t) + g (log p(z_t | z_<t, s) - log p(z_t | z_<t)) + const,    g >=
    0

g = 1 is the prior itself, 0 ignores the condition s. The same network gives both terms, when it was trained
to do without the condition now and then (`condition_dropout`); a step is one of twice as many rows.

References:
    Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from labelmint.priors.grouped import OnTrunk, PlacePixelSNAIL
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.priors.transformer import TransformerPrior
from labelmint.protocols import GroupedPrior, State
from labelmint.types import LayoutBatch

__all__ = ["GuidedPrior", "NetworkPrior", "guided", "learned_without"]

NetworkPrior: TypeAlias = PixelSNAIL | PlacePixelSNAIL | RowPixelSNAIL | TransformerPrior


def guided(prior: NetworkPrior, guidance: float) -> GuidedPrior:
    """The prior of the formula above, which steps as the given one does; raises ValueError for one that never
    learned to do without its condition, and for g < 0.
    """
    return (
        _GuidedGroups(prior, guidance) if isinstance(prior, GroupedPrior) else _GuidedFixed(prior, guidance)
    )


def learned_without(prior: NetworkPrior) -> bool:
    """True if a prior has a condition, and was trained to do without it now and then."""
    network = prior.trunk if isinstance(prior, OnTrunk) else prior
    return network.condition is not None and network.config.condition_dropout > 0


class GuidedPrior:
    """What guided priors share. Rows without the condition stand below those with it. Another g is another
    prior: a recorded row has g.
    """

    def __init__(self, prior: NetworkPrior, guidance: float) -> None:
        if guidance < 0 or not learned_without(prior):
            raise ValueError(
                f"guidance needs a conditional prior trained with condition_dropout > 0, and g >= 0, got "
                f"{guidance}"
            )
        self.prior, self.guidance = prior, guidance
        self.codebook_size, self.grid = prior.codebook_size, prior.grid

    def prepare(self, condition: LayoutBatch | None) -> Tensor:
        """Features of the conditions as the prior has them, then of nothing, (2B, ...)."""
        features = self.prior.prepare(condition)
        if features is None:
            raise ValueError("guidance needs a condition")
        return torch.cat([features, self.prior.nothing_like(features)])

    def logits(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """(B, h, w) -> (B, K, h, w)."""
        return self._guided(self.prior.logits(torch.cat([tokens, tokens]), condition))

    def start(self, batch_size: int, condition: Tensor, reuse: State = None) -> State:
        """A state of the prior, for 2B rows."""
        return self.prior.start(2 * batch_size, condition, reuse)

    def step(self, previous: Tensor | None, state: State) -> Tensor:
        """Logits of the next step, (B, K), or (B, K, G) for a prior that draws several tokens."""
        return self._guided(
            self.prior.step(None if previous is None else torch.cat([previous, previous]), state)
        )

    def _guided(self, logits: Tensor) -> Tensor:
        seen, unseen = logits.log_softmax(dim=1).chunk(2)
        return torch.lerp(unseen, seen, self.guidance)


class _GuidedFixed(GuidedPrior):
    """A FixedPrior (`priors.graphed`)."""

    prior: PixelSNAIL | TransformerPrior

    def start_fixed(self, batch_size: int, condition: Tensor, reuse: State = None) -> State:
        """A state of the prior, for 2B rows."""
        return self.prior.start_fixed(2 * batch_size, condition, reuse)


class _GuidedGroups(GuidedPrior):
    """A GroupedPrior."""

    prior: PlacePixelSNAIL | RowPixelSNAIL

    @property
    def order(self) -> Tensor:
        """The order of the prior."""
        return self.prior.order

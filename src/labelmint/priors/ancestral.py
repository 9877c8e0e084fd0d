"""Ancestral sampling: z_i ~ p(z_i | z_<i), one position after the other, each computed once.

A token is drawn by inverting the distribution function, z_i = min { k : sum_{j <= k} softmax(logits / T)_j >
u_i }, with one uniform number u_i a position. The numbers of a sample are drawn ahead from (seed, stage,
index) alone, on the CPU, so a sample depends on neither its batch nor its device nor on how many are drawn. A
prior may draw several positions in one step; each has its own number. Tokens can be kept: they are not drawn
but read by all that come after them, so those before them know nothing of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.priors.graphed import FixedPrior, RowSampler, choose
from labelmint.protocols import Condition, GroupedPrior, Prior, State
from labelmint.types import Kept

__all__ = ["AncestralSampler"]


class AncestralSampler:
    """Draws tokens from a prior in evaluation mode, whose weights must not change any more: batches of one
    size share the memory of the first and its copy of the weights. On a GPU a row is recorded once and
    replayed (`priors.graphed`), for priors that allow it; on a CPU that gains nothing, and attention there
    reads no more than has been drawn.
    """

    def __init__(self, prior: Prior | GroupedPrior) -> None:
        self.prior = prior
        self._state: State = None
        self._rows: RowSampler | None = None

    @torch.no_grad()
    def draw(
        self,
        condition: Condition,
        numbers: Tensor,
        temperature: float,
        device: torch.device,
        kept: Kept | None = None,
    ) -> Tensor:
        """Tokens (B, h, w), given uniform numbers (B, h w) and tokens that are kept; temperature > 0 divides
        the logits.
        """
        numbers, kept = numbers.to(device), kept.flat(device) if kept is not None else None
        # before the others: it has all of their methods, and means others by them
        if isinstance(self.prior, GroupedPrior):
            tokens = self._group_by_group(self.prior, condition, numbers, temperature, kept).clone()
        elif device.type == "cuda" and isinstance(self.prior, FixedPrior):
            if self._rows is None or self._rows.batch_size != len(numbers):
                self._rows = RowSampler(self.prior, len(numbers), device)
            tokens = self._rows.draw(condition, numbers, temperature, kept)
        else:
            # a tensor like any other
            tokens = self._step_by_step(condition, numbers, temperature, kept).clone()
        return tokens.view(len(tokens), *self.prior.grid)

    @torch.inference_mode()
    def _step_by_step(
        self, condition: Condition, numbers: Tensor, temperature: float, kept: Kept | None = None
    ) -> Tensor:
        state = self._state = self.prior.start(len(numbers), condition, self._state)
        tokens = torch.empty(numbers.shape, dtype=torch.long, device=numbers.device)
        previous: Tensor | None = None
        for i in range(numbers.shape[1]):
            previous = choose(self.prior.step(previous, state), numbers[:, i : i + 1], temperature)
            if kept is not None:
                previous = torch.where(kept.where[:, i], kept.tokens[:, i], previous)
            tokens[:, i] = previous
        return tokens

    @torch.inference_mode()
    def _group_by_group(
        self,
        prior: GroupedPrior,
        condition: Condition,
        numbers: Tensor,
        temperature: float,
        kept: Kept | None = None,
    ) -> Tensor:
        state = self._state = prior.start(len(numbers), condition, self._state)
        tokens = torch.empty(numbers.shape, dtype=torch.long, device=numbers.device)
        previous: Tensor | None = None
        for places in prior.order:
            logits = prior.step(previous, state).transpose(1, 2).flatten(0, 1)
            previous = choose(logits, numbers[:, places].reshape(-1, 1), temperature).view(len(numbers), -1)
            if kept is not None:
                previous = torch.where(kept.where[:, places], kept.tokens[:, places], previous)
            tokens[:, places] = previous
        return tokens

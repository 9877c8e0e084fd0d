"""Ancestral sampling: z_i ~ p(z_i | z_<i), one position after the other, each computed once.

A token is drawn by inverting the distribution function, z_i = min { k : sum_{j <= k} softmax(logits / T)_j > u_i }, with one uniform
number u_i a position. The numbers of a sample are drawn ahead from (seed, stage, index) alone, on the CPU, so a sample depends on
neither its batch nor its device nor on how many are drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelmint.protocols import Condition, Prior, Seed, State

__all__ = ["AncestralSampler", "uniforms"]


def uniforms(seeds: Sequence[Seed], stage: str, positions: int) -> Tensor:
    """(B, N) numbers in [0, 1), row r from (seeds[r], stage) alone."""
    stream = int.from_bytes(hashlib.sha256(stage.encode()).digest()[:4], "big")
    rows = [np.random.default_rng([seed, stream, index]).random(positions) for seed, index in seeds]
    return torch.from_numpy(np.stack(rows)).float().clamp(max=1 - 2**-24)


class AncestralSampler:
    """Draws tokens from a prior in evaluation mode, whose weights must not change any more: batches of one size share the memory of the
    first and its copy of the weights."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self._state: State = None

    @torch.no_grad()
    def draw(self, condition: Condition, numbers: Tensor, temperature: float, device: torch.device) -> Tensor:
        """Tokens (B, h, w), given uniform numbers (B, h w); temperature > 0 divides the logits."""
        prior, (batch, positions) = self.prior, numbers.shape
        numbers = numbers.to(device)
        state = self._state = prior.start(batch, condition, self._state)
        tokens = torch.empty(batch, positions, dtype=torch.long, device=device)
        previous: Tensor | None = None
        for i in range(positions):
            cumulative = torch.softmax(prior.step(previous, state).float() / temperature, dim=1).cumsum(dim=1)
            drawn = torch.searchsorted(cumulative, numbers[:, i : i + 1] * cumulative[:, -1:], right=True)[:, 0]
            previous = drawn.clamp_(max=prior.codebook_size - 1)
            tokens[:, i] = previous
        return tokens.view(batch, *prior.grid)

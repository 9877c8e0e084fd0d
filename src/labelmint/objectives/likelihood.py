"""Negative log-likelihood of tokens under a prior, in nats per token: L = -1/N sum_i log p(z_i | z_<i, s)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.protocols import Prior
from labelmint.types import LayoutBatch

__all__ = ["negative_log_likelihood"]


def negative_log_likelihood(
    prior: nn.Module, tokens: Tensor, layouts: LayoutBatch | None, noise: float = 0.0
) -> Tensor:
    """Scalar, the mean over all tokens.

    Arguments:
        prior: a module that returns logits (B, K, h, w).
        tokens: (B, h, w) int64.
        layouts: the condition, or None.
        noise: share of the tokens *read* by the prior that are replaced by random ones; the targets stay. It
            keeps a prior from leaning on its own past alone, the weakness of small data sets.
    """
    read = tokens
    if noise > 0:
        replaced = torch.rand(tokens.shape, device=tokens.device) < noise
        read = torch.where(replaced, torch.randint_like(tokens, cast(Prior, prior).codebook_size), tokens)
    return functional.cross_entropy(prior(read, layouts).float(), tokens)

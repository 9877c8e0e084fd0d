"""How well class logits tell a layout: cross-entropy in nats a pixel, -mean log p(s_i) over all pixels i."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["semantic_loss"]


def semantic_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Scalar, the mean over pixels, of logits (B, S, H, W) and symbols (B, H, W). What is ignored elsewhere
    is a symbol here.
    """
    return functional.cross_entropy(logits.float(), ids.long())

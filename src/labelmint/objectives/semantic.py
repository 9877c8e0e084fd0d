"""How well class logits tell a layout: cross-entropy in nats a pixel, -mean log p(s_i) over the pixels i that are not ignored."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["semantic_loss"]


def semantic_loss(logits: Tensor, ids: Tensor, ignore: int | None = None) -> Tensor:
    """Scalar; 0 where every pixel is ignored.

    Arguments:
        logits: (B, S, H, W).
        ids: (B, H, W) symbols.
        ignore: the symbol that is left out, or None.
    """
    left_out = -100 if ignore is None else ignore  # torch's own, which no symbol is
    wanted = ids.long()  # before it is compared: a byte that is compared with -100 is compared with 156
    total = functional.cross_entropy(logits.float(), wanted, ignore_index=left_out, reduction="sum")
    return total / (wanted != left_out).sum().clamp_min(1)

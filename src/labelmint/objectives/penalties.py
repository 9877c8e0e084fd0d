"""Penalties on the gradients of a discriminator, which keep it smooth.

    gradient penalty   mean ( |grad D(u x + (1 - u) x')| - 1 )^2,    u ~ U(0, 1) an item
    R1                 mean |grad D(x)|^2 / 2,                       at real images alone

D is the mean of an item's verdicts, and of several sizes the mean of theirs, as in the loss; gradients are those at the
pixels of an image.
Both need gradients of gradients, which mixed precision would spoil: they are taken in single precision.

References:
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
    Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from labelmint.types import LayoutBatch

__all__ = ["Penalty", "penalty_of"]

Penalty: TypeAlias = Literal["none", "gradient", "r1"]
Rival: TypeAlias = Callable[[Tensor, LayoutBatch], Sequence[Sequence[Tensor]]]


def penalty_of(kind: Penalty, rival: Rival, real: Tensor, found: Tensor, layouts: LayoutBatch) -> Tensor:
    """Scalar, the penalty of a kind ("none" is 0).

    Arguments:
        rival: the discriminator. real, found: (B, C, H, W) of the same layouts.
    """
    if kind == "none":
        return real.new_zeros(())
    with torch.autocast(real.device.type, enabled=False):
        if kind == "r1":
            return _slopes(rival, real.float(), layouts).square().mean() / 2
        share = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = share * real.float() + (1 - share) * found.float()
        return (_slopes(rival, between, layouts) - 1).square().mean()


def _slopes(rival: Rival, image: Tensor, layouts: LayoutBatch) -> Tensor:
    """|grad D| of each item, (B,)."""
    image = image.detach().requires_grad_()
    verdicts = torch.stack([maps[-1].float().flatten(1).mean(dim=1) for maps in rival(image, layouts)])
    (gradient,) = torch.autograd.grad(verdicts.mean(dim=0).sum(), image, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).add(1e-12).sqrt()

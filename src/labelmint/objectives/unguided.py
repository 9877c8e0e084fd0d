"""The objective of a generator that nothing but its adversary tells how images should look.

    L = o R(W),    R(W) = sum over matrices of |M - diag(M)|_F^2 / 2,    M = W W^T, or W^T W where that is smaller

R keeps the rows, or columns, of a weight orthogonal, whatever their lengths, so that codes near the middle of what is
drawn in training, as truncation takes them, still give images.

What is drawn is of no image, so held-out figures are about sets of images: coarse ones, 8x8 means of what is where.

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019),
    https://arxiv.org/abs/1809.11096: Equation 3
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.network import draw_noise, seeded_noise
from labelmint.metrics.kernel import kernel_distance
from labelmint.objectives.likeness import coarse, deviation
from labelmint.objectives.objective import Loss, rows_at_once
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import Batch

__all__ = ["UnguidedObjective", "orthogonality"]

_AT_ONCE = 32  # held-out images
_FLAT = 1 / EIGHT_BITS.half


class UnguidedObjective:
    """Objective of a `LayoutToImage` without dials that count in training.

    Arguments:
        noise: what the network takes. orthogonal: o; 0 leaves it out.
    """

    def __init__(self, noise: Noise | None, *, orthogonal: float = 0.0) -> None:
        self.noise, self.orthogonal = noise, orthogonal

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Nothing."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """No fidelity, the regularization where gradients are wanted, and the images that were made."""
        made = network(batch.layouts, draw_noise(self.noise, len(batch), batch.image.device), {})
        nothing = batch.image.new_zeros(())
        if not self.orthogonal or not torch.is_grad_enabled():
            return Loss(nothing, nothing, {}, made)
        crossed = orthogonality(cast(nn.Module, network))
        return Loss(nothing, self.orthogonal * crossed, {"orthogonality": crossed.detach()}, made)

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_distance", the kernel distance between coarse images drawn by seed and real ones, about 0 where
        they are alike, and "spread", the deviation of the drawn ones over that of the real ones, low where they
        collapse; nothing of fewer than two pairs.
        """
        network, count = cast(LayoutToImage, module), min(len(pairs), at_most or len(pairs))
        real, drawn = list[Tensor](), list[Tensor]()
        step = rows_at_once(_AT_ONCE, pairs.geometry.size)
        for first in range(0, count, step):
            batch = pairs.fixed(first, min(step, count - first)).to(device)
            noise = seeded_noise(self.noise, [(0, first + row) for row in range(len(batch))])
            made = network(batch.layouts, noise.to(device) if noise is not None else None, {})
            real.append(coarse(batch.image).cpu())
            drawn.append(coarse(made).cpu())
        if count < 2:
            return {}
        both = torch.cat(drawn), torch.cat(real)
        spread = deviation(both[0]) / max(deviation(both[1]), _FLAT)
        rows = (images.flatten(1).double().numpy() for images in both)
        return {"held_out_distance": kernel_distance(*rows), "spread": spread}


def orthogonality(network: nn.Module) -> Tensor:
    """R(W), a scalar, over all matrices that a network learns but embeddings, in single precision; the weights of a
    convolution are a row an output.
    """
    embeddings = {
        id(p) for each in network.modules() if isinstance(each, nn.Embedding) for p in each.parameters()
    }
    total: list[Tensor] = []
    for weight in network.parameters():
        if weight.ndim < 2 or id(weight) in embeddings:
            continue
        with torch.autocast(weight.device.type, enabled=False):
            rows = weight.float().flatten(1)
            product = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
            total.append((product - torch.diag(product.diagonal())).square().sum() / 2)
    return torch.stack(total).sum()

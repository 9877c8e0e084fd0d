"""The objective of a generator that is told how its images should look.

    L = c |x - G(s, z)| + p d(x, G(s, z)) + k KL(q(z|x), N(0, 1)),    z drawn anew for each item

d is a perceptual distance, or its stand-in without weights. A generator with an image encoder is given the image
as well, and draws z from q(z|x) = N(mu(x), sigma(x)^2), so that a code that is drawn means something:

    KL = mean over items of sum over the code of (mu^2 + sigma^2 - 1 - log sigma^2) / 2

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017): Equation 3
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291: the encoder and its KL
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.network import draw_noise, seeded_noise
from labelmint.objectives.objective import Loss
from labelmint.objectives.perceptual import VGGDistance
from labelmint.objectives.structure import structure_distance
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import Batch

__all__ = ["LikenessObjective", "kl_divergence"]

_AT_ONCE = 32  # held-out pairs


class LikenessObjective:
    """Objective of a `LayoutToImage` without dials that count in training.

    Arguments:
        noise: what the network takes.
        absolute: c. perceptual: p; 0 leaves the distance out.
        vgg: file with the state dict of a VGG-19; without one the distance is that of structure.
        kl: k. Above 0 the network is called with the image too, and returns `generators.encoded.Encoded`.
    """

    def __init__(
        self,
        noise: Noise | None,
        *,
        absolute: float = 0.0,
        perceptual: float = 0.0,
        vgg: str = "",
        kl: float = 0.0,
    ) -> None:
        self.noise, self.absolute, self.perceptual, self.vgg, self.kl = noise, absolute, perceptual, vgg, kl
        self._distance: Callable[[Tensor, Tensor], Tensor] | None = None

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Nothing."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The weighted errors, and the images that have them."""
        noise = draw_noise(self.noise, len(batch), batch.image.device)
        others, terms = batch.image.new_zeros(()), dict[str, Tensor]()
        if self.kl:
            made, mean, log_variance = network(batch.layouts, noise, {}, batch.image)
            terms["kl"] = kl_divergence(mean, log_variance)
            others = self.kl * terms["kl"]
        else:
            made = network(batch.layouts, noise, {})
        terms["error"] = (made.float() - batch.image).abs().mean()
        fidelity = self.absolute * terms["error"]
        if self.perceptual:
            terms["distance"] = self._measured(batch.image.device)(made, batch.image)
            fidelity = fidelity + self.perceptual * terms["distance"]
        return Loss(fidelity, others, {name: term.detach() for name, term in terms.items()}, made)

    def _measured(self, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
        if self._distance is None:
            self._distance = VGGDistance(self.vgg).to(device) if self.vgg else structure_distance
        return self._distance

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_error", the mean absolute error on [-1, 1] of images drawn by seed."""
        network, count, total = cast(LayoutToImage, module), min(len(pairs), at_most or len(pairs)), 0.0
        for first in range(0, count, _AT_ONCE):
            batch = pairs.fixed(first, min(_AT_ONCE, count - first)).to(device)
            noise = seeded_noise(self.noise, [(0, first + row) for row in range(len(batch))])
            made = network(batch.layouts, noise.to(device) if noise is not None else None, {})
            total += float((made.float() - batch.image).abs().mean()) * len(batch)
        return {"held_out_error": total / count}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Scalar, KL(N(mean, variance), N(0, 1)) in nats an item, of (B, D) each."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()

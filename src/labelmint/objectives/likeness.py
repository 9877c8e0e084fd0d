"""The objective of a generator that is told how its images should look.

    L = c |x - G(s, z)| + p d(x, G(s, z)) + k max(KL(q(z|x), N(0, 1)), free),    z drawn anew for each item

d is a perceptual distance, or its stand-in without weights. A generator with an image encoder is given the image
as well, and draws z from q(z|x) = N(mu(x), sigma(x)^2), so that a code that is drawn means something:

    KL = mean over items of sum over the code of (mu^2 + sigma^2 - 1 - log sigma^2) / 2

Without free nats the code may never come into use: at first it is noise to the generator, which then learns to do
without it, while KL draws it nearer to noise.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017): Equation 3
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019),
    https://arxiv.org/abs/1903.07291: the encoder and its KL
    Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
    https://arxiv.org/abs/1606.04934: free bits, here of a batch's mean
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.network import Remembers, draw_noise, seeded_noise
from labelmint.objectives.objective import Loss, rows_at_once
from labelmint.objectives.perceptual import perceptual_distance
from labelmint.protocols import LayoutToImage, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["LikenessObjective", "kl_divergence"]

_AT_ONCE, _ROWS = 8, 16  # held-out pairs, and images that are drawn
_SEEDS, _COARSE = 4, 8  # of a layout, and pixels a side, that variety is measured with
_FLAT = 1 / EIGHT_BITS.half


class LikenessObjective:
    """Objective of a `LayoutToImage` without dials that count in training.

    Arguments:
        noise: what the network takes.
        absolute: c. perceptual: p; 0 leaves the distance out.
        vgg: what the distance is of, as `objectives.perceptual.perceptual_distance` has it.
        kl: k. Above 0 the network is called with the image too, and returns `generators.encoded.Encoded`.
        free: nats of KL that cost nothing.
        encodes: whether the network is called with the image in place of noise, in the held-out figures too; it draws
            otherwise only once its weights are kept.
    """

    def __init__(
        self,
        noise: Noise | None,
        *,
        absolute: float = 0.0,
        perceptual: float = 0.0,
        vgg: str = "",
        kl: float = 0.0,
        free: float = 0.0,
        encodes: bool = False,
    ) -> None:
        self.encodes = encodes
        self.noise, self.absolute, self.perceptual, self.vgg = noise, absolute, perceptual, vgg
        self.kl, self.free = kl, free
        self._distance: Callable[[Tensor, Tensor], Tensor] | None = None

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """A network that keeps something of the pairs does so."""
        if isinstance(module, Remembers):
            module.keep(pairs)

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The weighted errors, and the images that have them; without gradients, as where images alone are wanted, no
        distance is measured.
        """
        noise = None if self.encodes else draw_noise(self.noise, len(batch), batch.image.device)
        others, terms = batch.image.new_zeros(()), dict[str, Tensor]()
        if self.kl:
            made, mean, log_variance = network(batch.layouts, noise, {}, batch.image)
            terms["kl"] = kl_divergence(mean, log_variance)
            others = self.kl * terms["kl"].clamp(min=self.free)
        elif self.encodes:
            made = network(batch.layouts, None, {}, batch.image)
        else:
            made = network(batch.layouts, noise, {})
        terms["error"] = (made.float() - batch.image).abs().mean()
        fidelity = self.absolute * terms["error"]
        if self.perceptual and torch.is_grad_enabled():
            terms["distance"] = self._measured(batch.image.device)(made, batch.image)
            fidelity = fidelity + self.perceptual * terms["distance"]
        return Loss(fidelity, others, {name: term.detach() for name, term in terms.items()}, made)

    def _measured(self, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
        if self._distance is None:
            self._distance = perceptual_distance(self.vgg, device)
        return self._distance

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_error", the mean absolute error on [-1, 1] of images drawn by seed, or given back by a network
        that encodes them, and whether they collapse:
        "spread" over layouts and, where there is noise, "variety" of a layout, both over the real images' spread.
        """
        network, count, total = cast(LayoutToImage, module), min(len(pairs), at_most or len(pairs)), 0.0
        real, drawn = list[Tensor](), list[Tensor]()
        step = rows_at_once(_AT_ONCE, pairs.geometry.size)
        for first in range(0, count, step):
            batch = pairs.fixed(first, min(step, count - first)).to(device)
            made = self(network, batch).image if self.encodes else self._drawn(network, batch.layouts, first)
            assert made is not None
            total += float((made - batch.image).abs().mean()) * len(batch)
            real.append(coarse(batch.image))
            drawn.append(coarse(made))
        figures = {"held_out_error": total / count}
        if count > 1:
            whole = max(deviation(torch.cat(real)), _FLAT)
            figures["spread"] = deviation(torch.cat(drawn)) / whole
            if self.noise is not None:
                variety = self._variety(network, pairs.fixed(0, min(_SEEDS, count)).to(device))
                if variety or not self.encodes:  # which draws nothing before its weights are kept
                    figures["variety"] = variety / whole
        return figures

    def _drawn(self, network: LayoutToImage, layouts: LayoutBatch, first_seed: int) -> Tensor:
        noise = seeded_noise(self.noise, [(0, first_seed + row) for row in range(len(layouts))])
        step, made = rows_at_once(_ROWS, (layouts.ids.shape[1], layouts.ids.shape[2])), list[Tensor]()
        for first in range(0, len(layouts), step):
            some = slice(first, first + step)
            own = noise[some].to(layouts.ids.device) if noise is not None else None
            made.append(network(layouts[some], own, {}).float())
        return torch.cat(made)

    def _variety(self, network: LayoutToImage, batch: Batch) -> float:
        """The mean deviation of what several seeds draw of a layout."""
        rows = torch.arange(len(batch), device=batch.image.device).repeat_interleave(_SEEDS)
        made = coarse(self._drawn(network, batch.layouts[rows], 0)).unflatten(0, (len(batch), _SEEDS))
        return sum(map(deviation, made)) / len(made)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Scalar, KL(N(mean, variance), N(0, 1)) in nats an item, of (B, D) each."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def coarse(image: Tensor) -> Tensor:
    """Images (B, C, H, W) as 8x8 means: what is where, without texture."""
    return functional.adaptive_avg_pool2d(image.float(), _COARSE)


def deviation(images: Tensor) -> float:
    """The standard deviation over images (B, ...), the mean over their pixels."""
    return float(images.std(dim=0).mean())

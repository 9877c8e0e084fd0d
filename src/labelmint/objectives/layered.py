"""A distance between images that is weighed layer by layer, and the objective that it is.

    d(x, y) = sum_l w_l mean | M_l (F_l(x) - F_l(y)) |                                             (1)
    w_l = 1 / (L mean over 256 pairs of training images of mean | F_l(x) - F_l(y) |)               (2)
    L = d(x, G(s, z)),    or (1 - e) min over k of d(x, G_k(s)) + e mean over k of d(x, G_k(s))    (3)

By (2), found once before the training, each layer has the same share of the distance of two images, which is 1 in the
mean. F_1 ... F_5 are the features of a VGG-19 after the second ReLU of each stage, with stages halved by means, where a
file with its weights is given. Without one they are the pixels, edges and texture of `objectives.structure`, and the
distance is that of structure. M is 1, or for training pairs with their rarity (`datasets.rarity`) the rarity of each
pixel's class over the highest that the image shows, averaged to the size of the layer.

The second form of (3) is for a network of several outputs: the best one learns, and with e = 1/1000 the others a
little, so that none is left behind.

References:
    Photographic Image Synthesis with Cascaded Refinement Networks (Chen & Koltun, 2017): the loss, and its diverse form
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019), supplement, appendix A
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.crn import CRNGenerator
from labelmint.generators.network import draw_noise
from labelmint.objectives.likeness import LikenessObjective
from labelmint.objectives.objective import Loss, rows_at_once
from labelmint.objectives.perceptual import VGG_LAYERS, VGGFeatures
from labelmint.objectives.structure import structure_layers, structure_maps
from labelmint.protocols import Noise
from labelmint.seeds import stream_of
from labelmint.types import Batch

__all__ = ["LayeredObjective", "layer_distances", "layers_of"]

_PAIRS, _AT_ONCE = 256, 32
_ALL = 1e-3  # e of Equation (3)
_FLAT = 1 / EIGHT_BITS.half  # a layer in which no two training images differ


class LayeredObjective:
    """Objective of a `CRNGenerator`, whose `balance` has the weights (2).

    Arguments:
        noise: of the network.
        vgg: file with the state dict of a VGG-19, or "".
    """

    def __init__(self, noise: Noise | None, vgg: str = "") -> None:
        self.noise, self.vgg = noise, vgg
        self._likeness = LikenessObjective(noise)
        self._network: VGGFeatures | None = None
        self._rarity: Tensor | None = None

    @torch.no_grad()
    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Find the weights of the layers, and the rarity of the training pairs."""
        network = cast(CRNGenerator, module)
        device = network.balance.device
        self._rarity = None
        if pairs.rarity is not None:
            self._rarity = torch.from_numpy(pairs.rarity.of_ids).float().to(device)
        rng = np.random.default_rng([pairs.seed, stream_of("balance")])
        places = rng.integers(len(pairs), size=(2, _PAIRS))
        if len(pairs) > 1:  # no image beside itself
            places[1] = (places[0] + rng.integers(1, len(pairs), size=_PAIRS)) % len(pairs)
        total = torch.zeros_like(network.balance)
        step = rows_at_once(_AT_ONCE, pairs.geometry.size)
        for first in range(0, _PAIRS, step):
            ones, others = (
                pairs.take(some[first : first + step]).fixed(0, step).image.to(device) for some in places
            )
            total += layer_distances(self.maps(ones), self.maps(others)).sum(dim=0)
        network.balance.copy_(1 / (len(total) * (total / _PAIRS).clamp(min=_FLAT)))

    def _features(self, device: torch.device) -> Callable[[Tensor], list[Tensor]]:
        if not self.vgg:
            return structure_maps
        if self._network is None:
            self._network = VGGFeatures(self.vgg, at=2, averaged=True).to(device)
        return self._network

    def maps(self, image: Tensor) -> list[Tensor]:
        """F of images (B, C, H, W)."""
        return self._features(image.device)(image.float())

    def masks(self, batch: Batch) -> Tensor | None:
        """M of training pairs, (B, 1, H, W) in [0, 1] with 1 in each; None where their rarity does not count."""
        if self._rarity is None or batch.items is None:
            return None
        rows = torch.arange(len(batch), device=batch.items.device)[:, None, None]
        found = self._rarity[batch.items[rows], batch.layouts.ids.long()][:, None]
        return found / found.amax(dim=(2, 3), keepdim=True)

    def distances(
        self, made: Tensor, wanted: Sequence[Tensor], masks: Tensor | None, balance: Tensor
    ) -> Tensor:
        """(1) of images (B, C, H, W) from those with the maps `wanted`, (B,)."""
        return layer_distances(self.maps(made), wanted, masks) @ balance

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """(3), the mean over the batch; its codes, where it has some, are the noise."""
        balance = cast(CRNGenerator, getattr(network, "module", network)).balance
        several = self.noise is not None and self.noise.kind == "uniform"
        noise = batch.codes
        if noise is None and not several:
            noise = draw_noise(self.noise, len(batch), batch.image.device)
        made = network(batch.layouts, noise, {}).float()
        each = made.unflatten(1, (-1, batch.image.shape[1])).transpose(0, 1)  # outputs first
        wanted, masks = self.maps(batch.image), self.masks(batch)
        apart = torch.stack([self.distances(one, wanted, masks, balance) for one in each])
        nearest = apart.min(dim=0)
        loss = torch.lerp(nearest.values, apart.mean(dim=0), _ALL).mean() if several else apart.mean()
        image = each[nearest.indices, torch.arange(len(batch), device=made.device)]
        error = (image.detach() - batch.image).abs().mean()
        return Loss(loss, loss.new_zeros(()), {"distance": loss.detach(), "error": error}, image)

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """The figures of `LikenessObjective`: the error, the spread over layouts, and the variety of a layout."""
        return self._likeness.held_out(module, pairs, device, at_most)


def layers_of(vgg: str, size: tuple[int, int]) -> int:
    """L, with the file of a VGG-19 or without, for images (H, W)."""
    return VGG_LAYERS if vgg else structure_layers(size)


def layer_distances(found: Sequence[Tensor], wanted: Sequence[Tensor], masks: Tensor | None = None) -> Tensor:
    """The mean absolute difference of each layer, (B, L), of L maps (B, C_l, h_l, w_l) each.

    Arguments:
        masks: (B, 1, H, W) what each pixel counts, or None for 1.
    """
    layers = []
    for one, other in zip(found, wanted, strict=True):
        apart = (one - other).abs()
        if masks is not None:
            apart = apart * functional.adaptive_avg_pool2d(masks, (apart.shape[2], apart.shape[3]))
        layers.append(apart.mean(dim=(1, 2, 3)))
    return torch.stack(layers, dim=1)

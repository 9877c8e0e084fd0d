"""The objective of a network that enlarges images: patches as they were before they were reduced.

    L = mean |y - network(low(y))|,    y: a patch of an image, mirrored and turned at random

References:
    Residual Dense Network for Image Super-Resolution (Zhang et al., 2018), https://arxiv.org/abs/1802.08797
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.super_resolution import bicubic, low
from labelmint.metrics.restoration import psnr
from labelmint.objectives.objective import Loss
from labelmint.types import Batch

__all__ = ["RestorationObjective", "patches"]

_AT_ONCE = 8  # held-out images, and fewer through the network where they are large
_PIXELS = _AT_ONCE * 128 * 128  # of the small images that go through the network at once


class RestorationObjective:
    """Objective of a network images (B, C, h, w) -> (B, C, f h, f w).

    Arguments:
        factor: f. patch: pixels of the small image a side that are learned from at once; 0: whole images.
        turned: whether patches are mirrored, and turned by quarters, at random.
    """

    def __init__(self, factor: int, patch: int = 0, turned: bool = True) -> None:
        self.factor, self.patch, self.turned = factor, patch, turned

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Nothing."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The mean absolute error on [-1, 1]."""
        wanted = patches(batch.image, self.factor * self.patch, self.turned)
        made = network(low(wanted, self.factor)).float()
        error = (made - wanted).abs().mean()
        return Loss(error, error.new_zeros(()), {"error": error.detach()})

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_psnr" in dB, the mean over whole images, and "bicubic_psnr", that of the bicubic enlargement."""
        count, found, plain = min(len(pairs), at_most or len(pairs)), list[float](), list[float]()
        for first in range(0, count, _AT_ONCE):
            wanted = pairs.fixed(first, min(_AT_ONCE, count - first)).image.to(device)
            small, true = low(wanted, self.factor), EIGHT_BITS.from_unit(wanted)
            some = small.split(max(_PIXELS // small[0, 0].numel(), 1))
            made_by_network = torch.cat([module(few) for few in some])
            for into, made in ((found, made_by_network), (plain, bicubic(small, self.factor))):
                into += [
                    psnr(one, other) for one, other in zip(EIGHT_BITS.from_unit(made), true, strict=True)
                ]
        return {"held_out_psnr": float(np.mean(found)), "bicubic_psnr": float(np.mean(plain))}


def patches(images: Tensor, side: int, turned: bool) -> Tensor:
    """A random patch of each image (B, C, H, W), of `side` pixels a side or as many as there are, from torch's
    generator of the CPU; with `turned` mirrored and turned, by half where it is no square.
    """
    height, width = (min(side or have, have) for have in images.shape[-2:])
    found = []
    for image in images:
        top, left = (
            int(torch.randint(have - want + 1, ()))
            for have, want in zip(image.shape[-2:], (height, width), strict=True)
        )
        patch = image[..., top : top + height, left : left + width]
        if turned:
            mirrored, quarters = bool(torch.randint(2, ())), int(torch.randint(4, ()))
            patch = patch.flip(-1) if mirrored else patch
            patch = patch.rot90(quarters if height == width else 2 * (quarters % 2), (-2, -1))
        found.append(patch)
    return torch.stack(found)

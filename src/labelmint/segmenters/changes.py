"""Drawing for some images of a batch, one by one: the parts that augmentations of values share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["blurred", "change_some", "drawn", "stretched"]


def change_some(
    rng: torch.Generator, image: Tensor, share: float, change: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Change a share of the images (B, C, H, W), drawn one by one, in place; the others cost nothing.

    Arguments:
        change: images (n, C, H, W) that were drawn, and their places (n,) in the batch -> as many, of the same shape.
    """
    chosen = torch.nonzero(torch.rand(len(image), generator=rng) < share)[:, 0]
    if len(chosen):
        image.index_copy_(0, chosen, change(image.index_select(0, chosen), chosen))


def drawn(rng: torch.Generator, like: Tensor, low: float, high: float, channels: bool = False) -> Tensor:
    """(B, 1, 1, 1), or (B, C, 1, 1), uniform on [low, high]."""
    return low + (high - low) * torch.rand(len(like), like.shape[1] if channels else 1, 1, 1, generator=rng)


def blurred(image: Tensor, rng: torch.Generator, share: float) -> Tensor:
    """A share of the images blurred by a 3x3 binomial filter, a share seen at half their resolution."""
    image = image.clone()
    change_some(rng, image, share, lambda some, at: _smooth(some))
    change_some(rng, image, share, lambda some, at: _coarse(some))
    return image


def stretched(image: Tensor, factor: Tensor) -> Tensor:
    """Images (B, C, H, W) whose distances from their means are multiplied by factors (B, 1, 1, 1)."""
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (image - mean) * factor


def _smooth(image: Tensor) -> Tensor:
    weights = torch.tensor([1.0, 2.0, 1.0])
    kernel = (weights[:, None] * weights / 16).expand(image.shape[1], 1, 3, 3)
    edged = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(edged, kernel, groups=image.shape[1])


def _coarse(image: Tensor) -> Tensor:
    half = functional.avg_pool2d(image, 2, ceil_mode=True)
    return functional.interpolate(half, size=image.shape[-2:], mode="bilinear")

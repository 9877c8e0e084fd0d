"""Drawing for some images of a batch, one by one: the parts that augmentations of values share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["blurred", "drawn", "for_some"]


def for_some(rng: torch.Generator, before: Tensor, after: Tensor, share: float) -> Tensor:
    """`after` for a share of the images (B, C, H, W), drawn one by one."""
    return torch.where(torch.rand(len(before), 1, 1, 1, generator=rng) < share, after, before)


def drawn(rng: torch.Generator, like: Tensor, low: float, high: float, channels: bool = False) -> Tensor:
    """(B, 1, 1, 1), or (B, C, 1, 1), uniform on [low, high]."""
    return low + (high - low) * torch.rand(len(like), like.shape[1] if channels else 1, 1, 1, generator=rng)


def blurred(image: Tensor, rng: torch.Generator, share: float) -> Tensor:
    """A share of the images blurred by a 3x3 binomial filter, a share seen at half their resolution."""
    channels = image.shape[1]
    weights = torch.tensor([1.0, 2.0, 1.0])
    kernel = (weights[:, None] * weights / 16).expand(channels, 1, 3, 3)
    smooth = functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
    image = for_some(rng, image, smooth, share)
    coarse = functional.interpolate(
        functional.avg_pool2d(image, 2, ceil_mode=True), size=image.shape[-2:], mode="bilinear"
    )
    return for_some(rng, image, coarse, share)

"""Classical augmentation of a batch, label and image alike: the baseline that synthetic images have to beat.

The list is nnU-Net's (Isensee et al. 2021): turning, scaling, noise, blur, brightness, contrast, lower
resolution and gamma, beside the flips and right-angle turns that `Geometry` draws. Each image draws for
itself.

    x'(p) = x(A p),  s'(p) = s(A p),   A = scale * shear * turn, then a shift; x bilinear, s nearest, mirrored
                     at the edges
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment"]

_MOVED, _CHANGED = 0.7, 0.2  # shares of images that are moved, and that undergo each change of their values
_ZOOM, _SHEAR, _SHIFT = 1.4, 0.1, 0.08  # largest factor, shear and shift (of the side)


def augment(image: Tensor, ids: Tensor, rng: torch.Generator, *, turn: float) -> tuple[Tensor, Tensor]:
    """Augment images (B, C, H, W) on [-1, 1] and their ids (B, H, W) of integers; `turn` is the largest turn
    in degrees.
    """
    image, ids = _moved(image, ids, rng, turn)
    image = _blurred(image, rng)
    value = (image + 1) / 2
    value = _where(rng, value, value.clamp(0, 1) ** torch.exp(_draw(rng, value, -0.4, 0.4)))  # gamma
    # of the inverted image
    value = _where(rng, value, 1 - (1 - value).clamp(0, 1) ** torch.exp(_draw(rng, value, -0.4, 0.4)))
    mean = value.mean(dim=(1, 2, 3), keepdim=True)
    value = _where(rng, value, mean + (value - mean) * _draw(rng, value, 0.65, 1.5))  # contrast
    value = _where(rng, value, value * _draw(rng, value, 0.7, 1.3))  # brightness
    value = _where(rng, value, value * _draw(rng, value, 0.85, 1.15, channels=True))  # tint
    noise = torch.randn(value.shape, generator=rng) * _draw(rng, value, 0, 0.06)
    return _where(rng, value, value + noise).clamp(0, 1) * 2 - 1, ids


def _moved(image: Tensor, ids: Tensor, rng: torch.Generator, turn: float) -> tuple[Tensor, Tensor]:
    chosen = torch.nonzero(torch.rand(len(image), generator=rng) < _MOVED)[:, 0]
    if not len(chosen):
        return image, ids
    count, (height, width) = len(chosen), image.shape[-2:]
    angle = math.radians(turn) * _uniform(rng, count)
    zoom = torch.exp(-math.log(_ZOOM) * _uniform(rng, count))
    stretch, shear = torch.exp(0.15 * _uniform(rng, count)), _SHEAR * _uniform(rng, count)
    turned = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], -1).view(
        -1, 2, 2
    )
    bent = torch.stack([stretch, shear, torch.zeros(count), 1 / stretch], -1).view(-1, 2, 2)
    matrix = zoom[:, None, None] * turned @ bent
    # angles are of pixels, the grid's unit is half a side
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]])
    shift = 2 * _SHIFT * torch.stack([_uniform(rng, count), _uniform(rng, count)], -1)
    grid = functional.affine_grid(
        torch.cat([matrix * aspect, shift[..., None]], -1), [count, 1, height, width], align_corners=False
    )
    moved = functional.grid_sample(
        image[chosen], grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    marks = ids[chosen, None].float()  # exact: ids are small
    marks = functional.grid_sample(
        marks, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    image, ids = image.clone(), ids.clone()
    image[chosen], ids[chosen] = moved, marks[:, 0].round().to(ids.dtype)
    return image, ids


def _blurred(image: Tensor, rng: torch.Generator) -> Tensor:
    """Some images blurred by a 3x3 binomial filter, some seen at half their resolution."""
    channels = image.shape[1]
    weights = torch.tensor([1.0, 2.0, 1.0])
    kernel = (weights[:, None] * weights / 16).expand(channels, 1, 3, 3)
    image = _where(
        rng,
        image,
        functional.conv2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels),
    )
    coarse = functional.interpolate(
        functional.avg_pool2d(image, 2, ceil_mode=True), size=image.shape[-2:], mode="bilinear"
    )
    return _where(rng, image, coarse)


def _where(rng: torch.Generator, before: Tensor, after: Tensor) -> Tensor:
    """`after` for a share of the images, drawn one by one."""
    return torch.where(torch.rand(len(before), 1, 1, 1, generator=rng) < _CHANGED, after, before)


def _draw(rng: torch.Generator, like: Tensor, low: float, high: float, channels: bool = False) -> Tensor:
    """(B, 1, 1, 1), or (B, C, 1, 1), uniform on [low, high]."""
    return low + (high - low) * torch.rand(len(like), like.shape[1] if channels else 1, 1, 1, generator=rng)


def _uniform(rng: torch.Generator, count: int) -> Tensor:
    return 2 * torch.rand(count, generator=rng) - 1

"""Moves of a batch, image and label alike: turning, scaling, shearing, shifting, and elastic warps.

    x'(p) = x(A p + d(p)),  s'(p) = s(A p + d(p)),   A = scale * shear * turn, then a shift;
    d: random displacements at 5 x 5 points, bicubic between them

x is read bilinearly, s at the nearest pixel, both mirrored at the edges. The scale is log-uniform.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["moved"]

_MOVED, _WARPED = 0.7, 0.3  # shares of images that are moved, and of those that are warped
_SHEAR, _SHIFT = 0.1, 0.08  # largest shear and shift (of the side)
_POINTS = 5


def moved(
    image: Tensor, ids: Tensor, rng: torch.Generator, *, turn: float, zoom: float, elastic: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and their ids (B, H, W) of integers, some of them moved.

    Arguments:
        turn: the largest turn in degrees. zoom: the largest factor, whose inverse is the smallest.
        elastic: standard deviation of displacements as a share of the side; 0 for none.
    """
    chosen = torch.nonzero(torch.rand(len(image), generator=rng) < _MOVED)[:, 0]
    if not len(chosen):
        return image, ids
    grid = _affine(rng, len(chosen), (int(image.shape[-2]), int(image.shape[-1])), turn, zoom)
    if elastic:
        _displace(rng, grid, elastic)
    there = _read(image[chosen], grid, "bilinear")
    marks = _read(ids[chosen, None].float(), grid, "nearest")  # exact: ids are small
    image, ids = image.clone(), ids.clone()
    image[chosen], ids[chosen] = there, marks[:, 0].round().to(ids.dtype)
    return image, ids


def _affine(rng: torch.Generator, count: int, size: tuple[int, int], turn: float, zoom: float) -> Tensor:
    """Where each pixel is read: (count, H, W, 2) on [-1, 1]."""
    height, width = size
    angle = math.radians(turn) * _uniform(rng, count)
    factor = torch.exp(-math.log(zoom) * _uniform(rng, count))
    stretch, shear = torch.exp(0.15 * _uniform(rng, count)), _SHEAR * _uniform(rng, count)
    turned = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], -1)
    bent = torch.stack([stretch, shear, torch.zeros(count), 1 / stretch], -1).view(-1, 2, 2)
    matrix = factor[:, None, None] * turned.view(-1, 2, 2) @ bent
    # angles are of pixels, the grid's unit is half a side
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]])
    shift = 2 * _SHIFT * torch.stack([_uniform(rng, count), _uniform(rng, count)], -1)
    return functional.affine_grid(
        torch.cat([matrix * aspect, shift[..., None]], -1), [count, 1, height, width], align_corners=False
    )


def _read(image: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(image, grid, mode=mode, padding_mode="reflection", align_corners=False)


def _displace(rng: torch.Generator, grid: Tensor, elastic: float) -> None:
    """Add displacements to a share of the grids (count, H, W, 2), in place."""
    count, height, width, _ = grid.shape
    warped = torch.nonzero(torch.rand(count, generator=rng) < _WARPED)[:, 0]
    points = 2 * elastic * torch.randn(count, 2, _POINTS, _POINTS, generator=rng)
    if len(warped):
        between = functional.interpolate(
            points[warped], size=(height, width), mode="bicubic", align_corners=True
        )
        grid.index_add_(0, warped, between.movedim(1, -1))


def _uniform(rng: torch.Generator, count: int) -> Tensor:
    return 2 * torch.rand(count, generator=rng) - 1

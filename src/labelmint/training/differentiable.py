"""Differentiable augmentation: what a discriminator sees of few images, real and drawn alike.

    L_D and L_G of D(T(s, x)) in place of D(s, x),    T drawn anew for every image

T changes brightness, saturation and contrast, shifts by up to an eighth of the sides, and cuts out a square of half the
sides. Shifts and cuts change image and layout alike; what was beyond the edge, or is cut out, is grey and has a symbol
of its own. The generator never sees T: gradients pass through it. Flips are not among these: where data allow them,
the pairs are flipped before anything sees them.

References:
    Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), https://arxiv.org/abs/2006.10738
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmint.types import LayoutBatch

__all__ = ["FEW_IMAGES", "augmented"]

FEW_IMAGES = 1000  # pairs below which small presets augment what a discriminator sees
_SHIFT, _CUT = 8, 2  # an eighth, a half of the sides


def augmented(
    images: Sequence[Tensor], layouts: LayoutBatch, unknown: int, seed: int
) -> tuple[list[Tensor], LayoutBatch]:
    """T(s, x) of each item, a function of the seed and the item's row; the same T in each of `images`.

    Arguments:
        images: (B, C, H, W) in [-1, 1] each. layouts: of the same size.
        unknown: the symbol of what is not seen.
    """
    ids, (items, height, width) = (
        layouts.ids.int(),
        layouts.ids.shape,
    )  # a byte holds 256 symbols, and no other one
    drawn = torch.Generator().manual_seed(seed)
    colors = torch.rand(3, items, 1, 1, 1, generator=drawn).to(ids.device)
    reach = torch.tensor([height // _SHIFT, width // _SHIFT])
    shifts = (torch.rand(items, 2, generator=drawn) * (2 * reach + 1)).long() - reach
    seen = _but_holes(torch.rand(items, 2, generator=drawn), (height, width)).to(ids.device)
    shown = [_shifted(_colored(x, colors), shifts, 0.0) * seen[:, None] for x in images]
    ids = torch.where(seen, _shifted(ids, shifts, unknown), unknown).to(ids.dtype)
    instances, boxes = layouts.instances, layouts.boxes
    if instances is not None:
        instances = torch.where(seen, _shifted(instances, shifts, 0), 0).to(instances.dtype)
    if boxes is not None:
        moves = torch.cat([shifts.new_zeros(items, 1), shifts.flip(1).repeat(1, 2)], dim=1)
        boxes = torch.where(boxes[..., :1] < 0, boxes, boxes + moves[:, None].to(boxes))
    return shown, LayoutBatch(ids, instances, boxes)


def _but_holes(centers: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W), False in a square about each center (B, 2), which are shares of the sides."""
    inside = []
    for side, center in zip(size, centers.unbind(dim=1), strict=True):
        first = (center * (side + 1)).long()[:, None] - side // _CUT // 2
        inside.append((torch.arange(side) >= first) & (torch.arange(side) < first + side // _CUT))
    return ~(inside[0][:, :, None] & inside[1][:, None, :])


def _colored(x: Tensor, drawn: Tensor) -> Tensor:
    """Brighter or darker by up to a quarter of the range, with 0 to 2 times the saturation and half to 1.5 times the
    contrast, by three numbers in [0, 1) an item.
    """
    brightness, saturation, contrast = drawn.unbind()
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    level = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - level) * (contrast + 0.5) + level


def _shifted(x: Tensor, shifts: Tensor, beyond: float) -> Tensor:
    """(B, ..., H, W) moved down and right by (B, 2) pixels."""
    moved = torch.full_like(x, beyond)
    height, width = x.shape[-2:]
    for k, (down, right) in enumerate(shifts.tolist()):
        to = (..., _after(down, height), _after(right, width))
        moved[(k, *to)] = x[(k, ..., _after(-down, height), _after(-right, width))]
    return moved


def _after(step: int, side: int) -> slice:
    """The pixels of a side that a move by `step` fills."""
    return slice(max(step, 0), side + min(step, 0))

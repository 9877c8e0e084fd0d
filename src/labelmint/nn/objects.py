"""Objects of images by their boxes: cut out to a fixed size, put back to where they are, and all of a batch in a row.

    crop:   v(i) = x(x0 + (i + 1/2) (x1 - x0) / n),      bilinear, i = 0 ... n - 1
    paste:  y(p) = v((p - x0) / (x1 - x0) n - 1/2)  for x0 <= p <= x1, else 0,     p the centers of cells

along each side. Both are affine grids; between the outermost centers of a crop and its edge its values go on. A box
that is narrower than a cell of the map that it is put into is as wide as one, so that each object is seen there.

References:
    Spatial Transformer Networks (Jaderberg et al., 2015), https://arxiv.org/abs/1506.02025
    Generating Multiple Objects at Spatially Distinct Locations (Hinz et al., 2019), https://arxiv.org/abs/1901.00686
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.types import LayoutBatch

__all__ = ["Objects", "crop", "draws", "objects_of", "paste", "summed", "told_wrong"]

Size = tuple[int, int]


class Objects(NamedTuple):
    """The objects of a batch in a row.

    Attributes:
        item: (n,) the layout of each. slot: (n,) which of its boxes it is.
        there: (n,) 1.0, or 0.0 where the layout has no such box.
        symbol: (n,) of its box. box: (n, 4), x0, y0, x1, y1 in shares of the sides.
    """

    item: Tensor
    slot: Tensor
    there: Tensor
    symbol: Tensor
    box: Tensor


def draws(network: nn.Module) -> bool:
    """True if no part of a network learns or takes batch statistics, of which rows without a box must be no part."""
    return not any(each.training for each in network.modules())


def objects_of(layouts: LayoutBatch, every: bool = False) -> Objects:
    """The objects of layouts by their boxes; ValueError for layouts without boxes.

    Arguments:
        every: also those of rows without a box, which are not there. So many are made that what is computed of a layout
            never depends, in its last bits, on how many boxes others have. At least one is made in any case.
    """
    if layouts.boxes is None:
        raise ValueError("a network that sees boxes needs layouts with boxes")
    boxes, (height, width) = layouts.boxes, layouts.ids.shape[1:]
    if not boxes.shape[1]:  # as of few held-out pairs, none of which shows an object
        boxes = boxes.new_full((len(boxes), 1, 5), -1.0)
    there = boxes[..., 0] >= 0
    chosen = torch.ones_like(there) if every else there
    if not chosen.any():
        chosen = torch.zeros_like(there)
        chosen[0, 0] = True
    item, slot = chosen.nonzero(as_tuple=True)
    rows = boxes[item, slot]
    return Objects(
        item,
        slot,
        there[item, slot].to(boxes.dtype),
        rows[:, 0].clamp(min=0).long(),
        rows[:, 1:] / rows.new_tensor([width, height, width, height]),
    )


def crop(image: Tensor, objects: Objects, size: Size) -> Tensor:
    """Objects (n, C, *size), cut out of images (B, C, H, W)."""
    (x0, y0, x1, y1), n = objects.box.unbind(dim=1), len(objects.item)
    zero = torch.zeros_like(x0)
    theta = torch.stack([x1 - x0, zero, x0 + x1 - 1, zero, y1 - y0, y0 + y1 - 1], dim=1).view(n, 2, 3)
    theta = theta * objects.there[:, None, None]
    return _sampled(image[objects.item], theta, size)[0]


def paste(values: Tensor, objects: Objects, size: Size) -> Tensor:
    """Maps (n, C, *size) with the values (n, C, h, w) of each object in its box, and 0 around it."""
    x0, y0, x1, y1 = objects.box.unbind(dim=1)
    (across, middle), (down, center) = (
        (torch.clamp(last - first, min=1 / cells), (first + last) / 2)
        for first, last, cells in ((x0, x1, size[1]), (y0, y1, size[0]))
    )
    zero = torch.zeros_like(across)
    rows = [1 / across, zero, (1 - 2 * middle) / across, zero, 1 / down, (1 - 2 * center) / down]
    found, grid = _sampled(values, torch.stack(rows, dim=1).view(-1, 2, 3), size)
    # Rounding alone must not take its only cell from an object.
    inside = (grid.abs() <= 1 + 1e-4).all(dim=-1) * objects.there[:, None, None]
    return found * inside[:, None].to(found.dtype)


def _sampled(values: Tensor, theta: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Values at the places of an affine grid, and the grid; in float32, which bfloat16 has too few places for."""
    with torch.autocast(values.device.type, enabled=False):
        grid = functional.affine_grid(theta.float(), [len(values), 1, *size], align_corners=False)
        found = functional.grid_sample(values.float(), grid, padding_mode="border", align_corners=False)
    return found, grid


def summed(maps: Tensor, objects: Objects, items: int) -> Tensor:
    """The sum of the maps (n, ...) of each layout's objects, (items, ...), always in the order of its boxes."""
    total = maps.new_zeros(items, *maps.shape[1:])
    for slot in range(int(objects.slot.max()) + 1):
        rows = (objects.slot == slot).nonzero()[:, 0]
        total = total.index_add(0, objects.item[rows], maps[rows])
    return total


def told_wrong(layouts: LayoutBatch) -> tuple[Tensor, Tensor]:
    """Items (n,) of a batch and others (n,) whose labels are not theirs: of each item the next, the first after the
    last, unless both show the same classes equally often.
    """
    if layouts.boxes is None:
        raise ValueError("a network that sees boxes needs layouts with boxes")
    labels = layouts.boxes[..., 0].sort(dim=1).values
    items = (labels != labels.roll(-1, 0)).any(dim=1).nonzero()[:, 0]
    return items, (items + 1) % len(labels)

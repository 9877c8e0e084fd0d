"""Structure distance: a stand-in for perceptual losses that needs no weights. It is no LPIPS and must not be
called so.

    d(x, y) = mean_l  ( | g(x_l) - g(y_l) | + | A |g(x_l)| - A |g(y_l)| | ) / ( |g(x_l)| + flat )

x_l is the image halved l times, up to twice and as long as more than 4 pixels a side are left; g its differences to
the next pixel below and to the right, A the mean over 4x4 pixels, | . | the mean absolute value over an image. The
first term wants edges where they are; the second as much texture as there is, wherever exactly it lies: the squared
error alone pays a blurred texture, which is safe, better than a wrong one. Each image counts relative to its own
differences, so dark and bright data weigh the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from labelmint.datasets.scaling import EIGHT_BITS

__all__ = ["structure_distance"]

_SCALES, _AREA = 3, 4
_FLAT = 1 / EIGHT_BITS.half  # one grey level from pixel to pixel: an image that shows nothing


def structure_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Scalar, the mean over the images; 0 when they are equal.

    Arguments:
        found, wanted: (B, C, H, W) in [-1, 1], at least 5 pixels a side; differences count relative to those
            of `wanted`.
    """
    x, y, scales = found.float(), wanted.float(), []
    for _ in range(_SCALES):
        if min(x.shape[2:]) <= _AREA:
            break
        g, h = _differences(x), _differences(y)
        texture = functional.avg_pool2d(g.abs(), _AREA) - functional.avg_pool2d(h.abs(), _AREA)
        differing = (g - h).abs().mean(dim=(1, 2, 3)) + texture.abs().mean(dim=(1, 2, 3))
        scales.append(differing / (h.abs().mean(dim=(1, 2, 3)) + _FLAT))
        x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
    return torch.stack(scales).mean()


def _differences(x: Tensor) -> Tensor:
    """Downward and rightward, (B, C, H, W) -> (B, 2C, H - 1, W - 1)."""
    corner = x[..., :-1, :-1]
    return torch.cat([x[..., 1:, :-1] - corner, x[..., :-1, 1:] - corner], dim=1)

"""Structure distance: a stand-in for perceptual losses that needs no weights. It is no LPIPS and must not be
called so.

    d(x, y) = mean_l  ( | g(x_l) - g(y_l) | + | A |g(x_l)| - A |g(y_l)| | ) / ( |g(x_l)| + flat )

x_l is the image halved l times, up to twice and as long as more than 4 pixels a side are left; g its differences to
the next pixel below and to the right (0 beyond the last row and column), A the mean over 4x4 pixels, | . | the mean
absolute value over an image. The first term wants edges where they are; the second as much texture as there is,
wherever exactly it lies: the squared error alone pays a blurred texture, which is safe, better than a wrong one. Each
image counts relative to its own differences, so dark and bright data weigh the same.

The same maps, with the pixels themselves, are the layers of a distance that is weighed layer by layer
(`objectives.layered`): x, then g(x_l) and A |g(x_l)| of each scale.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from labelmint.datasets.scaling import EIGHT_BITS

__all__ = ["structure_distance", "structure_layers", "structure_maps"]

_SCALES, _AREA = 3, 4
_FLAT = 1 / EIGHT_BITS.half  # one grey level from pixel to pixel: an image that shows nothing


def structure_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Scalar, the mean over the images; 0 when they are equal.

    Arguments:
        found, wanted: (B, C, H, W) in [-1, 1], at least 5 pixels a side; differences count relative to those
            of `wanted`.
    """
    scales = []
    for (g, a), (h, b) in zip(_scales(found.float()), _scales(wanted.float()), strict=True):
        differing = (g - h).abs().mean(dim=(1, 2, 3)) + (a - b).abs().mean(dim=(1, 2, 3))
        scales.append(differing / (h.abs().mean(dim=(1, 2, 3)) + _FLAT))
    return torch.stack(scales).mean()


def structure_maps(image: Tensor) -> list[Tensor]:
    """The layers of images (B, C, H, W) of at least 5 pixels a side: pixels, then edges and texture of each scale."""
    return [image, *(maps for scale in _scales(image) for maps in scale)]


def structure_layers(size: tuple[int, int]) -> int:
    """How many layers images (H, W) have."""
    return 1 + 2 * sum(min(size) >> scale > _AREA for scale in range(_SCALES))


def _scales(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Edges g and texture A |g| of each scale."""
    for _ in range(_SCALES):
        if min(x.shape[2:]) <= _AREA:
            break
        g = _differences(x)
        yield g, functional.avg_pool2d(g.abs(), _AREA)
        x = functional.avg_pool2d(x, 2)


def _differences(x: Tensor) -> Tensor:
    """Downward and rightward, (B, C, H, W) -> (B, 2C, H, W): each pixel stands in one, the last one, too."""
    beyond = functional.pad(x, (0, 1, 0, 1), mode="replicate")
    return torch.cat([beyond[..., 1:, :-1] - x, beyond[..., :-1, 1:] - x], dim=1)

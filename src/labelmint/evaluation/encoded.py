"""Features of images by EfficientNet-lite0, for distances between sets: the means over the pixels of its maps at a
sixteenth of the size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.nn.efficientnet import EfficientNetLite0
from labelmint.types import Array

__all__ = ["encoded"]

_AT_ONCE, _SIXTEENTH, _WIDTH = 32, 3, 112


@torch.no_grad()
def encoded(images: Array, network: EfficientNetLite0) -> npt.NDArray[np.float64]:
    """(N, 112), of images (N, H, W, C) uint8 of one channel or three."""
    found = [np.zeros((0, _WIDTH))]
    for first in range(0, len(images), _AT_ONCE):
        batch = EIGHT_BITS.to_unit(images[first : first + _AT_ONCE])
        found.append(network(batch)[_SIXTEENTH].mean(dim=(2, 3)).double().numpy())
    return np.concatenate(found)

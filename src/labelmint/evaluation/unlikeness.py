"""How different images of one layout are: the mean of 1 - SSIM over pairs of them (Wang et al. 2004)."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.types import Array

__all__ = ["SMALLEST_SIDE", "unlikeness"]

SMALLEST_SIDE = 12  # pixels, for SSIM's window


def unlikeness(images: Array) -> float:
    """The mean over pairs of images (N, H, W, C) uint8, N >= 2 and both sides at least 12 pixels; 0 where all are the
    same.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    i, j = np.triu_indices(len(images), 1)
    alike = structural_similarity_index_measure(x[i], x[j], data_range=float(EIGHT_BITS.levels - 1))
    return 1 - float(cast(Tensor, alike))

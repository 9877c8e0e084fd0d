"""The measure of whether images show the same things in the same places, so that one can be warped toward another.

    a = median_i corr(x_i, mean of x_j, j != i),    aligned: a >= 0.4

A correlation over the pixels of whole images, grey. What lies anywhere, as cells do, averages to nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["ALIGNED", "alignment"]

ALIGNED = 0.4


def alignment(images: Tensor) -> float:
    """a of images (N, C, H, W), from -1 to 1; 0 of fewer than three."""
    if len(images) < 3:
        return 0.0
    grey = images.float().mean(dim=1).flatten(1)
    grey = grey - grey.mean(dim=1, keepdim=True)
    grey = grey / grey.norm(dim=1, keepdim=True).clamp(min=1e-6)
    others = grey.sum(dim=0) - grey
    return float(np.median(torch.cosine_similarity(grey, others, dim=1).numpy()))

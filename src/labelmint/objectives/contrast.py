"""By what the squared error of an image is divided, so that weights and rates mean the same for all data.

The mean squared error divided by the variance v of the training pixels, as in MSGNet's code, means the same for
dark and for bright data. The variance is that of the data set, not of the batch. Where images of little and of
much contrast stand in one data set (fluorescence beside stained tissue), that leaves the former all but unseen: a
`balance` b in [0, 1] divides the error of image x_i by

    v_i = v^(1 - b) max(var(x_i), v_flat)^b,    v_flat: the variance of an image that shows nothing
"""

from __future__ import annotations

from torch import Tensor

from labelmint.datasets.scaling import EIGHT_BITS

__all__ = ["contrast"]

_FLAT = (4 / EIGHT_BITS.half) ** 2  # a deviation of 4 grey levels


def contrast(image: Tensor, variance: float, balance: float) -> Tensor:
    """v_i of each image, (B,), of images (B, C, H, W) in [-1, 1]."""
    of_each = image.var(dim=(1, 2, 3), unbiased=False).clamp_min(_FLAT)
    divisor: Tensor = variance ** (1 - balance) * of_each**balance
    return divisor

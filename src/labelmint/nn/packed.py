"""Products and convolutions with weights that stay, by the fastest kernel at hand.

    y = base + x W

On a CPU oneDNN computes with weights that were laid out for it once ("packed") up to twice as fast as a
matrix product of PyTorch, but costs some microseconds more a call: it is taken where there is work enough.
These are the operators that `torch.compile` takes for frozen weights; where a build of PyTorch lacks them,
the plain ones serve. A packed weight is in nobody's order but oneDNN's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Convolution", "Product", "convolution", "product"]

_ENOUGH = 750_000  # multiplications, from which on a packed product in float32 is faster


class Product(NamedTuple):
    """y = base + x W, for W of (C_in, C_out); `packed` tells what `weight` is."""

    weight: Tensor
    packed: bool

    def __call__(self, x: Tensor, base: Tensor, out: Tensor | None = None) -> Tensor:
        """(B, C_in) -> (B, C_out), given a base (C_out,) or (B, C_out); `out` takes the result, and may be
        the base.
        """
        if not self.packed:
            return torch.addmm(base, x, self.weight, out=out)
        found: Tensor
        if base.dim() == 1:
            found = torch.ops.mkldnn._linear_pointwise(x, self.weight, base, "none", [], "")
        else:
            found = torch.ops.mkldnn._linear_pointwise.binary(x, base, self.weight, None, "add")
        return found if out is None else out.copy_(found)


def product(weight: Tensor, rows: int) -> Product:
    """Make the product with a weight (C_in, C_out), copied, for inputs of n rows."""
    enough = weight.dtype == torch.bfloat16 or rows * weight.numel() >= _ENOUGH
    if enough and _packable(weight):
        return Product(torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous(), rows), True)
    return Product(weight.clone(memory_format=torch.contiguous_format), False)


class Convolution(NamedTuple):
    """Convolution without padding, (B, C_in, H, W) -> (B, C_out, H', W'), channels last; `packed` tells what
    `weight` is.
    """

    weight: Tensor
    bias: Tensor
    packed: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Everything at once."""
        if not self.packed:
            return functional.conv2d(x, self.weight, self.bias)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, [0, 0], [1, 1], [1, 1], 1, "none", [], ""
        )
        return found


def convolution(weight: Tensor, bias: Tensor, shape: tuple[int, int, int, int]) -> Convolution:
    """Make the convolution with a weight (C_out, C_in, R, C), copied, for inputs of `shape`."""
    ordered = weight.contiguous(memory_format=torch.channels_last)
    if _packable(weight):
        packed = torch.ops.mkldnn._reorder_convolution_weight(ordered, [0, 0], [1, 1], [1, 1], 1, list(shape))
        return Convolution(packed, bias, True)
    return Convolution(ordered.clone(memory_format=torch.channels_last), bias, False)


def _packable(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    names = (
        "_linear_pointwise",
        "_reorder_linear_weight",
        "_convolution_pointwise",
        "_reorder_convolution_weight",
    )
    known = all(hasattr(torch.ops.mkldnn, name) for name in names)
    half = weight.dtype == torch.bfloat16
    return known and (
        weight.dtype == torch.float32 or (half and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )

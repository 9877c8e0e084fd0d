"""Causal convolution on a grid read in raster order, whole or one position at a time.

Position (r, c) sees the rows above within the kernel's width, and its own row up to and including itself:

    y[r, c] = b + sum_{i < R-1} sum_j W[i, j] x[r-R+1+i, c-P+j] + sum_{j <= P} W[R-1, j] x[r, c-P+j],    P = (kernel width - 1) / 2

The input of the whole network is shifted by one position, so "including itself" is still causal. The weights to the right of the
current position are zeroed at every forward pass, never in place.

The incremental form keeps the last inputs. What the rows above contribute is computed once a row, by one convolution over the
whole row; each position then costs one small matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CausalConv2d", "CausalConvState"]


@dataclass
class CausalConvState:
    """Inputs so far, (B, h + R - 1, w + 2P, C) with the border of zeros, and this row's contribution from above, (B, w, C_out)."""

    inputs: Tensor
    above: Tensor | None
    upper_weight: Tensor | None  # (C_out, C, R - 1, width)
    current_weight: Tensor  # ((P + 1) * C, C_out)


class CausalConv2d(nn.Module):
    """Masked convolution, (B, C_in, h, w) -> (B, C_out, h, w).

    Arguments:
        in_channels, out_channels: widths.
        kernel: (rows, columns): the current row and rows - 1 above; columns is odd.
        scale: multiplies the initial weights; 1 keeps the variance of the input.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int] = (1, 1), scale: float = 1.0) -> None:
        super().__init__()
        rows, columns = kernel
        if rows < 1 or columns < 1 or columns % 2 == 0:
            raise ValueError(f"a causal kernel needs rows >= 1 and an odd number of columns, got {kernel}")
        self.rows, self.columns, self.reach = rows, columns, columns // 2
        visible = torch.ones(rows, columns)
        visible[-1, self.reach + 1 :] = 0
        self.register_buffer("visible", visible, persistent=False)
        self.visible: Tensor
        deviation = scale / float(in_channels * visible.sum()) ** 0.5
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, rows, columns) * deviation)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once."""
        if self.rows == self.columns == 1:
            return functional.conv2d(x, self.weight, self.bias)
        padded = functional.pad(x, (self.reach, self.reach, self.rows - 1, 0))
        return functional.conv2d(padded, self.weight * self.visible, self.bias)

    def start(self, batch_size: int, grid: tuple[int, int]) -> CausalConvState:
        """A state with no inputs yet."""
        (height, width), channels = grid, self.weight.shape[1]
        room = (0, 0) if self.rows == self.columns == 1 else (height + self.rows - 1, width + 2 * self.reach)
        inputs = self.weight.new_zeros(batch_size, *room, channels)
        current = self.weight[:, :, -1, : self.reach + 1].permute(2, 1, 0).reshape(-1, self.weight.shape[0])
        upper = self.weight[:, :, :-1].contiguous() if self.rows > 1 else None
        return CausalConvState(inputs, None, upper, current.contiguous())

    def step(self, x: Tensor, row: int, column: int, state: CausalConvState) -> Tensor:
        """Output (B, C_out) at (row, column), given the input (B, C_in) there; positions come in raster order."""
        if self.rows == self.columns == 1:
            return torch.addmm(self.bias, x, state.current_weight)
        state.inputs[:, row + self.rows - 1, column + self.reach] = x
        if column == 0 and state.upper_weight is not None:
            rows_above = state.inputs[:, row : row + self.rows - 1].permute(0, 3, 1, 2)
            state.above = functional.conv2d(rows_above, state.upper_weight, self.bias)[:, :, 0].transpose(1, 2)
        window = state.inputs[:, row + self.rows - 1, column : column + self.reach + 1].flatten(1)
        base = self.bias if state.above is None else state.above[:, column]
        return torch.addmm(base, window, state.current_weight)

"""Causal convolution on a grid read in raster order, whole or one position at a time.

Position (r, c) sees the rows above within the kernel's width, and its own row up to and including itself:

    y[r, c] = b + sum_{i < R-1} sum_j W[i, j] x[r-R+1+i, c-P+j] + sum_{j <= P} W[R-1, j] x[r, c-P+j],    P =
    (kernel width - 1) / 2

The input of the whole network is shifted by one position, so "including itself" is still causal. The weights
to the right of the current position are zeroed at every forward pass, never in place.

The incremental form reads a row at a time. What the bias and the rows above contribute to a row is one
convolution over all of it, when the row begins; each position then costs one matrix product in memory that
stays where it is, so that a step is the same operations on the same tensors in every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.packed import Convolution, Product, convolution, product

__all__ = ["CausalConv2d", "CausalConvState", "Mixing"]


class Mixing(NamedTuple):
    """A kernel of one position: its weights (C_in, C_out), copied for the fastest product, and its bias
    (C_out,).
    """

    product: Product
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, batch_size: int) -> Mixing:
        """Make the mixing of a weight (C_out, C_in)."""
        return cls(product(weight.t(), batch_size), bias)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """(B, C_in) -> (B, C_out)."""
        return self.product(x, self.bias, out)


@dataclass
class CausalConvState:
    """Where a convolution of more than one position stands.

    Attributes:
        history: inputs of the rows above, (B, R - 1, w + 2P, C) with a border of zeros.
        current: inputs of this row so far, (B, P + w, C).
        above: what bias and rows above contribute to this row, (w, B, C_out).
        upper: the rows above of the kernel; None where there are none. row: its own row up to the current
            position, ((P + 1) * C, C_out).
        slots, windows, bases: for each column, where its input goes, (B, C), what it sees of its row, (B, (P
            + 1) * C), and its part of `above`: views.
    """

    history: Tensor
    current: Tensor
    above: Tensor
    upper: Convolution | None
    row: Product
    slots: tuple[Tensor, ...]
    windows: tuple[Tensor, ...]
    bases: tuple[Tensor, ...]

    def reset(self) -> None:
        """Before the first row of other samples."""
        self.history.zero_()
        self.current.zero_()

    def step(self, x: Tensor, column: int) -> Tensor:
        """Output (B, C_out) at this column of the row, given the input (B, C_in) there; columns come in
        order, rows by `next_row`.
        """
        self.slots[column].copy_(x)
        return self.read(column)

    def read(self, column: int, out: Tensor | None = None) -> Tensor:
        """Read an input that stands in its slot already; `out` takes the result."""
        return self.row(self.windows[column], self.bases[column], out)


class CausalConv2d(nn.Module):
    """Masked convolution, (B, C_in, h, w) -> (B, C_out, h, w).

    Arguments:
        in_channels, out_channels: widths.
        kernel: (rows, columns): the current row and rows - 1 above; columns is odd.
        scale: multiplies the initial weights; 1 keeps the variance of the input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: tuple[int, int] = (1, 1), scale: float = 1.0
    ) -> None:
        super().__init__()
        rows, columns = kernel
        if rows < 1 or columns < 1 or columns % 2 == 0:
            raise ValueError(f"a causal kernel needs rows >= 1 and an odd number of columns, got {kernel}")
        self.rows, self.columns, self.reach = rows, columns, columns // 2
        visible = torch.ones(rows, columns)
        visible[-1, self.reach + 1 :] = 0
        self.register_buffer("visible", visible, persistent=False)
        self.visible: Tensor
        deviation = scale / (in_channels * (rows * columns - self.reach)) ** 0.5
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, rows, columns) * deviation)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once."""
        if self.rows == self.columns == 1:
            return functional.conv2d(x, self.weight, self.bias)
        padded = functional.pad(x, (self.reach, self.reach, self.rows - 1, 0))
        return functional.conv2d(padded, self.weight * self.visible, self.bias)

    def start(self, batch_size: int, width: int) -> CausalConvState:
        """A state with no inputs yet; takes a copy of the weights, in the order in which they are read."""
        reach, (outputs, channels) = self.reach, self.weight.shape[:2]
        history = self.weight.new_zeros(batch_size, self.rows - 1, width + 2 * reach, channels)
        current = self.weight.new_zeros(batch_size, reach + width, channels)
        above = self.weight.new_empty(width, batch_size, outputs)
        upper = None
        if self.rows > 1:
            shape = (batch_size, channels, self.rows - 1, width + 2 * reach)
            upper = convolution(self.weight[:, :, :-1], self.bias, shape)
        return CausalConvState(
            history,
            current,
            above,
            upper,
            row=product(self.weight[:, :, -1, : reach + 1].permute(2, 1, 0).reshape(-1, outputs), batch_size),
            slots=tuple(current[:, reach + column] for column in range(width)),
            windows=tuple(current[:, column : column + reach + 1].flatten(1) for column in range(width)),
            bases=above.unbind(0),
        )

    def next_row(self, state: CausalConvState) -> None:
        """Make ready for the row below: what was read becomes history."""
        if state.upper is None:
            state.above.copy_(self.bias.expand_as(state.above))
            return
        for row in range(self.rows - 2):
            state.history[:, row].copy_(state.history[:, row + 1])
        width = len(state.above)
        state.history[:, -1, self.reach : self.reach + width].copy_(state.current[:, self.reach :])
        above = state.upper(state.history.permute(0, 3, 1, 2))
        state.above.copy_(above[:, :, 0].permute(2, 0, 1))

    def mixing(self, batch_size: int) -> Mixing:
        """Return the convolution as a matrix product, for a kernel of one position."""
        return Mixing.of(self.weight[:, :, 0, 0], self.bias, batch_size)

"""Residual blocks: the gated one of PixelSNAIL, and the plain one of the VQ-VAE.

Gated:  u = conv1(elu(x)) [+ conv_a(elu(a))],  (p, q) = conv2(drop(elu(u))) [+ conv_c(c)],  y = x + p *
        sigmoid(q)
Plain:  y = x + conv1x1(relu(conv3x3(relu(x))))

a is an auxiliary input (what attention found), c the condition; brackets mark what a block may lack. The skip
adds x itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.causal import CausalConv2d, CausalConvState, Mixing
from labelmint.nn.packed import Product, product

__all__ = ["Gate", "GatedMixing", "GatedResidual", "GatedResidualState", "ResidualStack"]


class Gate(NamedTuple):
    """Memory for what a gate reads, (p, q), and views of both halves."""

    both: Tensor
    value: Tensor
    openness: Tensor

    @classmethod
    def like(cls, bias: Tensor, batch_size: int) -> Gate:
        """For what has such a bias, (2C,)."""
        both = bias.new_empty(batch_size, len(bias))
        return cls(both, *both.chunk(2, dim=1))

    def added_to(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """x + p * sigmoid(q), (B, C); q is lost. `out` takes the result."""
        return torch.addcmul(x, self.value, self.openness.sigmoid_(), out=out)


class GatedMixing(NamedTuple):
    """A gated residual block whose kernels have one position: u = [elu(x), elu(a)] W + b is one product."""

    first: Mixing
    second: Mixing
    gate: Gate

    def __call__(self, x: Tensor, activated: Tensor, out: Tensor | None = None) -> Tensor:
        """(B, C), given x and what `first` reads, elu(x) or elu of x and the auxiliary input side by side;
        `out` takes the result.
        """
        self.second(functional.elu_(self.first(activated)), out=self.gate.both)
        return self.gate.added_to(x, out)


@dataclass
class GatedResidualState:
    """States of the two convolutions, memory for the gate, and the product of the condition, (C_c, 2C), or
    None.
    """

    first: CausalConvState
    second: CausalConvState
    gate: Gate
    from_condition: Product | None

    def reset(self) -> None:
        """Before the first row of other samples."""
        self.first.reset()
        self.second.reset()

    def step(self, x: Tensor, column: int, out: Tensor | None = None) -> Tensor:
        """Output (B, C) at this column of the row, given the input there; `out` takes the result."""
        torch.ops.aten.elu.out(x, out=self.first.slots[column])
        # The first convolution writes into the window of the second, and bias, rows above and condition are
        # added by the products.
        functional.elu_(self.first.read(column, out=self.second.slots[column]))
        self.second.read(column, out=self.gate.both)
        return self.gate.added_to(x, out)


class GatedResidual(nn.Module):
    """Gated residual block, (B, C, h, w) -> (B, C, h, w), causal for every kernel.

    Arguments:
        channels: C.
        hidden: width between the two convolutions.
        kernel: (rows, columns) of both convolutions; (1, 1) mixes channels only.
        dropout: share of hidden values set to zero in training.
        auxiliary: channels of the auxiliary input; 0 = none.
        condition: channels of the condition; 0 = none.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        kernel: tuple[int, int],
        dropout: float,
        auxiliary: int = 0,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.first = CausalConv2d(channels, hidden, kernel)
        self.second = CausalConv2d(hidden, 2 * channels, kernel)
        self.from_auxiliary = CausalConv2d(auxiliary, hidden) if auxiliary else None
        self.from_condition = nn.Conv2d(condition, 2 * channels, 1, bias=False) if condition else None
        self.dropout = dropout

    def forward(self, x: Tensor, auxiliary: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """All positions at once."""
        hidden = self.first(functional.elu(x))
        if self.from_auxiliary is not None and auxiliary is not None:
            hidden = hidden + self.from_auxiliary(functional.elu(auxiliary))
        hidden = functional.dropout(functional.elu(hidden), self.dropout, self.training)
        gated = self.second(hidden)
        if self.from_condition is not None and condition is not None:
            gated = gated + self.from_condition(condition)
        return x + functional.glu(gated, dim=1)

    def start(self, batch_size: int, width: int) -> GatedResidualState:
        """A state with no inputs yet, for a kernel of more than one position."""
        seen = None
        if self.from_condition is not None:
            seen = product(self.from_condition.weight[:, :, 0, 0].t(), batch_size * width)
        first, second = self.first.start(batch_size, width), self.second.start(batch_size, width)
        return GatedResidualState(first, second, Gate.like(self.second.bias, batch_size), seen)

    def next_row(self, state: GatedResidualState, condition: Tensor | None) -> None:
        """Make ready for the row below, whose condition is (w * B, C_c)."""
        self.first.next_row(state.first)
        self.second.next_row(state.second)
        if condition is not None and state.from_condition is not None:
            above = state.second.above.flatten(0, 1)
            state.from_condition(condition, above, above)

    def mixing(self, batch_size: int) -> GatedMixing:
        """Return the block for single positions, for a kernel of one."""
        first: Tensor = self.first.weight[:, :, 0, 0]
        bias: Tensor = self.first.bias
        if self.from_auxiliary is not None:
            first = torch.cat([first, self.from_auxiliary.weight[:, :, 0, 0]], dim=1)
            bias = bias + self.from_auxiliary.bias
        gate = Gate.like(self.second.bias, batch_size)
        return GatedMixing(Mixing.of(first, bias, batch_size), self.second.mixing(batch_size), gate)


class ResidualStack(nn.Module):
    """`blocks` plain residual blocks and a closing ReLU, (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, channels: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
                nn.ReLU(),
                nn.Conv2d(hidden, channels, 1, bias=False),
            )
            for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Every block adds to its input."""
        for block in self.blocks:
            x = x + block(x)
        return torch.relu(x)

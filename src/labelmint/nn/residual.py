"""Residual blocks: the gated one of PixelSNAIL, and the plain one of the VQ-VAE.

Gated:  u = conv1(elu(x)) [+ conv_a(elu(a))],  (p, q) = conv2(drop(elu(u))) [+ conv_c(c)],  y = x + p * sigmoid(q)
Plain:  y = x + conv1x1(relu(conv3x3(relu(x))))

a is an auxiliary input (what attention found), c the condition; brackets mark what a block may lack. The skip adds x itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.causal import CausalConv2d, CausalConvState

__all__ = ["GatedResidual", "GatedResidualState", "ResidualStack"]


@dataclass
class GatedResidualState:
    """States of the two convolutions, and the condition's contribution (B, h, w, 2C) or None."""

    first: CausalConvState
    second: CausalConvState
    condition: Tensor | None


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
        self, channels: int, hidden: int, kernel: tuple[int, int], dropout: float, auxiliary: int = 0, condition: int = 0
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

    def start(self, batch_size: int, grid: tuple[int, int], condition: Tensor | None = None) -> GatedResidualState:
        """A state with no inputs yet; the condition's share is computed here, once."""
        share = None
        if self.from_condition is not None and condition is not None:
            share = self.from_condition(condition).permute(0, 2, 3, 1).contiguous()
        return GatedResidualState(self.first.start(batch_size, grid), self.second.start(batch_size, grid), share)

    def step(self, x: Tensor, row: int, column: int, state: GatedResidualState, auxiliary: Tensor | None = None) -> Tensor:
        """Output (B, C) at (row, column), given the inputs there."""
        hidden = self.first.step(functional.elu(x), row, column, state.first)
        if self.from_auxiliary is not None and auxiliary is not None:
            hidden = hidden + functional.linear(
                functional.elu(auxiliary), self.from_auxiliary.weight[:, :, 0, 0], self.from_auxiliary.bias
            )
        gated = self.second.step(functional.elu(hidden), row, column, state.second)
        if state.condition is not None:
            gated = gated + state.condition[:, row, column]
        return x + functional.glu(gated, dim=1)


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

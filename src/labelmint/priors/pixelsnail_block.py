"""The sizes of a PixelSNAIL, and one of its blocks: gated causal convolutions, then causal attention whose keys
see the block's input and whose queries see its output.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import CausalAttention, CausalAttentionState, Place
from labelmint.nn.residual import GatedMixing, GatedResidual, GatedResidualState

__all__ = ["Block", "BlockState", "PixelSNAILConfig"]


class PixelSNAILConfig(BaseModel):
    """Sizes of a PixelSNAIL; the names are those of Tables 5 and 6 where they have one."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(64, ge=1, description="hidden dim")
    residual_channels: int = Field(64, ge=1, description="residual dim")
    blocks: int = Field(2, ge=1, description="blocks, each closed by attention")
    residual_blocks: int = Field(3, ge=1, description="residual blocks a block")
    kernel_rows: int = Field(3, ge=1, description="rows that a causal kernel sees, its own included")
    kernel_columns: int = Field(5, ge=1, description="columns that a causal kernel sees, an odd number")
    attention_channels: int = Field(32, ge=1, description="attention dim")
    attention_heads: int = Field(4, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    condition_scale: int = Field(2, ge=1, description="cells of the condition a token, along each side")
    condition_embedding: int = Field(32, ge=1, description="condition layout dim")
    condition_channels: int = Field(64, ge=1)
    condition_residual_channels: int = Field(64, ge=1, description="conditional residual dim")
    condition_residual_blocks: int = Field(2, ge=0, description="conditional residual blocks")
    condition_scene: bool = Field(
        False, description="each cell of the layout knows which classes occur in the whole of it"
    )
    condition_dropout: float = Field(
        0.0, ge=0, lt=1, description="chance in training to do without the layout; guidance needs it"
    )

    @model_validator(mode="after")
    def _check(self) -> PixelSNAILConfig:
        if self.kernel_columns % 2 == 0:
            raise ValueError(f"kernel_columns must be odd, got {self.kernel_columns}")
        if self.attention_channels % self.attention_heads:
            raise ValueError(
                f"attention_channels must be a multiple of attention_heads, got {self.attention_channels} "
                f"and {self.attention_heads}"
            )
        return self


class _Seen(NamedTuple):
    """What a block has at one column: [input | output of its residual blocks | background], and views of it."""

    whole: Tensor
    x: Tensor
    out: Tensor
    out_and_ground: Tensor


class BlockState(NamedTuple):
    residuals: list[GatedResidualState]
    seen: tuple[_Seen, ...]  # of each column
    grounds: Tensor  # the backgrounds in them, (w, B, C_g)
    activated: Tensor  # elu of what is seen at this column
    activated_out_and_ground: Tensor
    key: GatedMixing
    query: GatedMixing
    attention: CausalAttentionState
    out: GatedMixing

    def step(self, column: int, position: int | Place, out: Tensor | None) -> Tensor:
        """Output (B, C), in `out` where it is given; the input stands in what the block has seen."""
        seen = self.seen[column]
        x = seen.x
        for residual in self.residuals[:-1]:
            x = residual.step(x, column)
        x = self.residuals[-1].step(x, column, seen.out)
        key = self.key(seen.whole, torch.ops.aten.elu.out(seen.whole, out=self.activated))
        query = self.query(seen.out_and_ground, self.activated_out_and_ground)
        found = self.attention.step(query, key, position)
        return self.out(x, functional.elu_(torch.cat([x, found], dim=1)), out)


class Block(nn.Module):
    """Residual blocks, then attention whose keys see the block's input and whose queries see its output."""

    def __init__(self, config: PixelSNAILConfig, background: int, condition: int) -> None:
        super().__init__()
        channels, hidden, point = config.channels, config.residual_channels, (1, 1)
        kernel = (config.kernel_rows, config.kernel_columns)
        self.residuals = nn.ModuleList(
            GatedResidual(channels, hidden, kernel, config.dropout, condition=condition)
            for _ in range(config.residual_blocks)
        )
        self.key = GatedResidual(2 * channels + background, channels, point, config.dropout)
        self.query = GatedResidual(channels + background, channels, point, config.dropout)
        self.attention = CausalAttention(
            channels + background,
            2 * channels + background,
            config.attention_channels,
            config.attention_heads,
        )
        self.out = GatedResidual(
            channels, channels, point, config.dropout, auxiliary=config.attention_channels
        )

    def forward(self, x: Tensor, background: Tensor, condition: Tensor | None) -> Tensor:
        out = x
        for residual in self.residuals:
            out = residual(out, condition=condition)
        key = self.key(torch.cat([x, out, background], dim=1))
        query = self.query(torch.cat([out, background], dim=1))
        attended: Tensor = self.out(out, auxiliary=self.attention(query, key))
        return attended

    def start(self, batch_size: int, grid: tuple[int, int]) -> BlockState:
        residuals = [residual.start(batch_size, grid[1]) for residual in self.all_residuals()]
        key, query, out = (mixing.mixing(batch_size) for mixing in (self.key, self.query, self.out))
        like, both = self.key.first.weight, self.key.first.weight.shape[1]
        channels = both - self.query.first.weight.shape[1]
        seen, activated = like.new_zeros(grid[1], batch_size, both), like.new_empty(batch_size, both)
        return BlockState(
            residuals,
            tuple(
                _Seen(one, one[:, :channels], one[:, channels : 2 * channels], one[:, channels:])
                for one in seen
            ),
            seen[:, :, 2 * channels :],
            activated,
            activated[:, channels:],
            key,
            query,
            self.attention.start(batch_size, grid[0] * grid[1]),
            out,
        )

    def next_row(self, state: BlockState, background: Tensor, condition: Tensor | None) -> None:
        """Make ready for the row below, given its background (w, 1, C_g) and condition (w * B, C_c)."""
        state.grounds.copy_(background.expand_as(state.grounds))
        for residual, residual_state in zip(self.all_residuals(), state.residuals, strict=True):
            residual.next_row(residual_state, condition)

    def all_residuals(self) -> list[GatedResidual]:
        """The convolutional residual blocks, in order."""
        return cast(list[GatedResidual], list(self.residuals))

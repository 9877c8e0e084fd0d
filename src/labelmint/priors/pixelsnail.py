"""PixelSNAIL: gated causal convolutions and causal attention over a grid of tokens (Table 5), and the same over layouts (Table 6).

    p(z | s) = prod_i p(z_i | z_<i, s),    i in raster order

The input is the embedding of the tokens, shifted by one position, beside the position itself. Every block runs gated causal residual
blocks, then lets each position attend to all before it. The layout enters before the gate of every convolutional residual block. With
the tokens of two paths stacked, position (h + r, c) of the lower half also reads the upper half's token (r, c), long known by then.

Departures from the published code, each for a reason given in docs/paper-to-code.md: no in-place activation on the skip, kernels
and attention that include the current (already shifted) position, masked weights instead of weight normalization.

References:
    PixelSNAIL: An Improved Autoregressive Generative Model (Chen et al., 2017), https://arxiv.org/abs/1712.09763
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import CausalAttention, CausalAttentionState
from labelmint.nn.causal import CausalConv2d, CausalConvState, Mixing
from labelmint.nn.residual import GatedMixing, GatedResidual, GatedResidualState
from labelmint.priors.conditioning import LayoutCondition
from labelmint.types import LayoutBatch

__all__ = ["PixelSNAIL", "PixelSNAILConfig"]


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

    @model_validator(mode="after")
    def _check(self) -> PixelSNAILConfig:
        if self.kernel_columns % 2 == 0:
            raise ValueError(f"kernel_columns must be odd, got {self.kernel_columns}")
        if self.attention_channels % self.attention_heads:
            raise ValueError(
                f"attention_channels must be a multiple of attention_heads, got {self.attention_channels} and {self.attention_heads}"
            )
        return self


class _BlockState(NamedTuple):
    residuals: list[GatedResidualState]
    key: GatedMixing
    query: GatedMixing
    attention: CausalAttentionState
    out: GatedMixing


class _Block(nn.Module):
    """Residual blocks, then attention whose keys see the block's input and whose queries see its output."""

    def __init__(self, config: PixelSNAILConfig, background: int, condition: int) -> None:
        super().__init__()
        channels, hidden, point = config.channels, config.residual_channels, (1, 1)
        kernel = (config.kernel_rows, config.kernel_columns)
        self.residuals = nn.ModuleList(
            GatedResidual(channels, hidden, kernel, config.dropout, condition=condition) for _ in range(config.residual_blocks)
        )
        self.key = GatedResidual(2 * channels + background, channels, point, config.dropout)
        self.query = GatedResidual(channels + background, channels, point, config.dropout)
        self.attention = CausalAttention(
            channels + background, 2 * channels + background, config.attention_channels, config.attention_heads
        )
        self.out = GatedResidual(channels, channels, point, config.dropout, auxiliary=config.attention_channels)

    def forward(self, x: Tensor, background: Tensor, condition: Tensor | None) -> Tensor:
        out = x
        for residual in self.residuals:
            out = residual(out, condition=condition)
        key = self.key(torch.cat([x, out, background], dim=1))
        query = self.query(torch.cat([out, background], dim=1))
        attended: Tensor = self.out(out, auxiliary=self.attention(query, key))
        return attended

    def start(self, batch_size: int, grid: tuple[int, int]) -> _BlockState:
        residuals = [residual.start(batch_size, grid[1]) for residual in self._residuals()]
        attention = self.attention.start(batch_size, grid[0] * grid[1])
        return _BlockState(residuals, self.key.mixing(), self.query.mixing(), attention, self.out.mixing())

    def next_row(self, state: _BlockState, condition: Tensor | None) -> None:
        for residual, residual_state in zip(self._residuals(), state.residuals, strict=True):
            residual.next_row(residual_state, condition)

    def step(self, x: Tensor, background: Tensor, column: int, position: int, state: _BlockState) -> Tensor:
        out = x
        for residual, residual_state in zip(self._residuals(), state.residuals, strict=True):
            out = residual.step(out, column, residual_state)
        key = state.key(torch.cat([x, out, background], dim=1))
        query = state.query(torch.cat([out, background], dim=1))
        return state.out(out, self.attention.step(query, key, position, state.attention))

    def _residuals(self) -> list[GatedResidual]:
        return cast(list[GatedResidual], list(self.residuals))


@dataclass
class _State:
    """Of one batch: its tokens so far, its condition, and for the row that is drawn each column's background and input without the token
    before it. Everything that a step reads or writes stays in its place."""

    position: int
    tokens: Tensor  # (B, h w)
    condition: Tensor | None  # (B, C_c, h, w)
    background: Tensor  # (B, w, C_g)
    entries: Tensor  # (B, w, C)
    first: CausalConvState
    blocks: list[_BlockState]
    out: Mixing

    def reset(self, condition: Tensor | None) -> _State:
        """For other samples."""
        self.position, self.condition = 0, condition
        self.first.reset()
        for block in self.blocks:
            for residual in block.residuals:
                residual.reset()
        return self


class PixelSNAIL(nn.Module):
    """Prior over (B, h, w) tokens of K values.

    Arguments:
        config: sizes.
        codebook_size: K.
        grid: (h, w).
        stack: paths stacked in h (2 for the double-path VQ-VAE, 1 for layouts).
        symbols: layout symbols S of the condition; 0 = unconditional.
    """

    background: Tensor

    def __init__(
        self, config: PixelSNAILConfig, codebook_size: int, grid: tuple[int, int], stack: int = 1, symbols: int = 0
    ) -> None:
        super().__init__()
        self.config, self.codebook_size, self.grid, self.stack = config, codebook_size, grid, stack
        channels = config.channels
        self.register_buffer("background", _background(grid, stack), persistent=False)
        ground = self.background.shape[0]
        self.embed = nn.Embedding(codebook_size + 1, channels)  # the last row stands for "nothing yet"
        self.embed_aligned = nn.Embedding(codebook_size + 1, channels) if stack > 1 else None
        self.place = nn.Conv2d(ground, channels, 1)
        self.first = CausalConv2d(channels, channels, (config.kernel_rows, config.kernel_columns))
        width = config.condition_channels if symbols else 0
        self.condition = _layout_condition(config, symbols, grid, stack) if symbols else None
        self.blocks = nn.ModuleList(_Block(config, ground, width) for _ in range(config.blocks))
        self.out = CausalConv2d(channels, codebook_size, scale=0.1)

    def prepare(self, condition: LayoutBatch | None) -> Tensor | None:
        """Features of the layouts, (B, C_c, h, w)."""
        if self.condition is None or condition is None:
            return None
        features: Tensor = self.condition(condition)
        return features

    def forward(self, tokens: Tensor, layouts: LayoutBatch | None = None) -> Tensor:
        """Logits (B, K, h, w) of tokens (B, h, w) given layouts: prepare, then logits."""
        return self.logits(tokens, self.prepare(layouts))

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """(B, h, w) -> (B, K, h, w); position i sees only tokens before i."""
        flat = tokens.flatten(1)
        background = self.background.expand(len(tokens), -1, -1, -1)
        x = self.embed(self._delayed(flat, 1)).transpose(1, 2).unflatten(2, self.grid)
        if self.embed_aligned is not None:
            aligned = self.embed_aligned(self._delayed(flat, self._half))
            x = x + aligned.transpose(1, 2).unflatten(2, self.grid)
        x = self.first(x + self.place(background))
        for block in self.blocks:
            x = block(x, background, condition)
        logits: Tensor = self.out(functional.elu(x))
        return logits

    @torch.no_grad()
    def start(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """No token yet. Takes a copy of the weights, and memory for a batch, unless a state of as many samples is there to be used again;
        the weights must not have changed since that was made."""
        if reuse is not None and len(reuse.tokens) == batch_size:
            return reuse.reset(condition)
        (height, width), like = self.grid, self.embed.weight
        return _State(
            0, torch.full((batch_size, height * width), self.codebook_size, device=like.device), condition,
            background=like.new_empty(batch_size, width, len(self.background)), entries=like.new_empty(batch_size, width, like.shape[1]),
            first=self.first.start(batch_size, width), blocks=[block.start(batch_size, self.grid) for block in self._blocks()],
            out=self.out.mixing(),
        )  # fmt: skip

    @torch.no_grad()
    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K) of the next position; equal to `logits` there."""
        position = state.position
        row, column = divmod(position, self.grid[1])
        if previous is not None:
            state.tokens[:, position - 1] = previous
        if column == 0:
            self._next_row(row, state)
        x = state.entries[:, column]
        x = x + (self.embed(previous) if previous is not None else self.embed.weight[self.codebook_size])
        x = self.first.step(x, column, state.first)
        background = state.background[:, column]
        for block, block_state in zip(self._blocks(), state.blocks, strict=True):
            x = block.step(x, background, column, position, block_state)
        state.position += 1
        return state.out(functional.elu_(x))

    def _next_row(self, row: int, state: _State) -> None:
        """What is known of a row before its first token."""
        width = self.grid[1]
        background = self.background[:, row].t()
        state.background.copy_(background.expand_as(state.background))
        state.entries.copy_(
            functional.linear(background, self.place.weight[:, :, 0, 0], self.place.bias).expand_as(state.entries)
        )
        if self.embed_aligned is not None:
            first = row * width - self._half  # of the upper path's row that lies over this one
            if first >= 0:
                aligned = state.tokens[:, first : first + width]
            else:
                aligned = state.tokens.new_full((len(state.tokens), width), self.codebook_size)
            state.entries.add_(self.embed_aligned(aligned))
        self.first.next_row(state.first)
        condition = None if state.condition is None else state.condition[:, :, row].transpose(1, 2).flatten(0, 1)
        for block, block_state in zip(self._blocks(), state.blocks, strict=True):
            block.next_row(block_state, condition)

    def _blocks(self) -> list[_Block]:
        return cast(list[_Block], list(self.blocks))

    @property
    def _half(self) -> int:
        return self.grid[0] // self.stack * self.grid[1]

    def _delayed(self, flat: Tensor, positions: int) -> Tensor:
        """Tokens (B, N) moved back by some positions, "nothing yet" before them."""
        return functional.pad(flat, (positions, 0), value=self.codebook_size)[:, : flat.shape[1]]


def _background(grid: tuple[int, int], stack: int) -> Tensor:
    """What a position knows of itself: row and column within its path, in [-0.5, 0.5], and which path it is, (2 + stack, h, w)."""
    height, width = grid
    path, row = torch.arange(height) // (height // stack), torch.arange(height) % (height // stack)
    rows = (row / (height // stack) - 0.5)[:, None].expand(grid)
    columns = (torch.arange(width) / width - 0.5)[None].expand(grid)
    paths = functional.one_hot(path, stack).t()[:, :, None].expand(stack, *grid)
    return torch.cat([torch.stack([rows, columns]), paths.float()])


def _layout_condition(config: PixelSNAILConfig, symbols: int, grid: tuple[int, int], stack: int) -> LayoutCondition:
    return LayoutCondition(
        symbols,
        grid,
        stack,
        scale=config.condition_scale,
        embedding=config.condition_embedding,
        channels=config.condition_channels,
        residual_channels=config.condition_residual_channels,
        residual_blocks=config.condition_residual_blocks,
    )

"""PixelSNAIL: gated causal convolutions and causal attention over a grid of tokens (Table 5), and the same
over layouts (Table 6).

    p(z | s) = prod_i p(z_i | z_<i, s),    i in raster order

The input is the embedding of the tokens, shifted by one position, beside the position itself. Every block
runs gated causal residual blocks, then lets each position attend to all before it. The layout enters before
the gate of every convolutional residual block. With the tokens of two paths stacked, position (h + r, c) of
the lower half also reads the upper half's token (r, c), long known by then.

Departures from the published code, each for a reason given in docs/systems/msgnet.md: no in-place
activation on the skip, kernels and attention that include the current (already shifted) position, masked
weights instead of weight normalization.

References:
    PixelSNAIL: An Improved Autoregressive Generative Model (Chen et al., 2017),
        https://arxiv.org/abs/1712.09763
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import Place
from labelmint.nn.causal import CausalConv2d, CausalConvState, Mixing
from labelmint.priors.conditioning import LayoutCondition, with_nothing
from labelmint.priors.pixelsnail_block import Block, BlockState, PixelSNAILConfig
from labelmint.protocols import Stream
from labelmint.types import LayoutBatch

__all__ = ["Block", "PixelSNAIL", "PixelSNAILConfig"]


@dataclass
class _State:
    """The state of one batch. Everything that a step reads or writes stays in its place, but for `position`,
    which says in which column it works.

    Attributes:
        position: the next one, counted from 0. place: the same in memory, where attention is to read all
            positions at every step.
        row: the row that is drawn, (1,).
        tokens: rows drawn so far, (B, h / stack + h, w), below h / stack rows of "nothing yet": so row r
            stands at h / stack + r, and the row of the path before it, which lies over it, at r.
        line: the row that is drawn, (B, w). places: its columns. nothing: "nothing yet", (B,).
        condition: (h, w, B, C_c), or None.
        backgrounds: (h, w, 1, C_g). bases: what the network's input has of each position, (h, w, 1, C).
        entries: of each column, what its input is without the token before it, (w, B, C).
    """

    position: int
    place: Place | None
    row: Tensor
    tokens: Tensor
    line: Tensor
    places: tuple[Tensor, ...]
    nothing: Tensor
    condition: Tensor | None
    backgrounds: Tensor
    bases: Tensor
    entries: Tensor
    first: CausalConvState
    blocks: list[BlockState]
    out: Mixing
    weights: tuple[torch.dtype, int]  # type and version of those that were copied

    def fits(
        self, batch_size: int, condition: Tensor | None, fixed: bool, weights: tuple[torch.dtype, int]
    ) -> bool:
        """True if other samples can take the memory of these, and their copy of the weights."""
        same_kind = (condition is None) == (self.condition is None) and fixed == (self.place is not None)
        return same_kind and len(self.nothing) == batch_size and self.weights == weights

    def reset(self, condition: Tensor | None) -> _State:
        """For other samples, whose condition is (B, C_c, h, w)."""
        self.position = 0
        if self.place is not None:
            self.place.reset()
            # all are read, and weighed with 0: once not a number would be never again one
            for block in self.blocks:
                block.attention.keys.zero_()
                block.attention.values.zero_()
        self.row.fill_(-1)
        self.tokens.copy_(self.nothing[:, None, None].expand_as(self.tokens))
        self.line.copy_(self.nothing[:, None].expand_as(self.line))
        if self.condition is not None and condition is not None:
            self.condition.copy_(condition.permute(2, 3, 0, 1))
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
        coarse: the coarser level of tokens, which is given too.
    """

    background: Tensor

    def __init__(
        self,
        config: PixelSNAILConfig,
        codebook_size: int,
        grid: tuple[int, int],
        stack: int = 1,
        symbols: int = 0,
        coarse: Stream | None = None,
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
        self.condition = _layout_condition(config, symbols, grid, stack, coarse) if symbols else None
        self.blocks = nn.ModuleList(Block(config, ground, width) for _ in range(config.blocks))
        self.out = CausalConv2d(channels, codebook_size, scale=0.1)

    def prepare(self, condition: LayoutBatch | None) -> Tensor | None:
        """Features of the layouts, (B, C_c, h, w)."""
        if self.condition is None or condition is None:
            return None
        features: Tensor = self.condition(condition)
        return with_nothing(features, self.nothing_like(features), condition)

    def nothing_like(self, features: Tensor) -> Tensor:
        """What stands in place of such features where there is no layout."""
        return torch.zeros_like(features)

    def forward(self, tokens: Tensor, layouts: LayoutBatch | None = None) -> Tensor:
        """Logits (B, K, h, w) of tokens (B, h, w) given layouts: prepare, then logits."""
        return self.logits(tokens, self.prepare(layouts))

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """(B, h, w) -> (B, K, h, w); position i sees only tokens before i."""
        flat = tokens.flatten(1)
        entries = self.embed(self.delayed(flat, 1)).transpose(1, 2).unflatten(2, self.grid)
        if self.embed_aligned is not None:
            aligned = self.embed_aligned(self.delayed(flat, self._half))
            entries = entries + aligned.transpose(1, 2).unflatten(2, self.grid)
        logits: Tensor = self.out(self.features(entries, condition))
        return logits

    def features(self, entries: Tensor, condition: Tensor | None) -> Tensor:
        """What the last layer reads, (B, C, h, w), given what enters at each position beside its place, (B,
        C, h, w).
        """
        background = self.background.expand(len(entries), -1, -1, -1)
        x = self.first(entries + self.place(background))
        for block in self.blocks:
            x = block(x, background, condition)
        return self.for_last(functional.elu(x))

    def to_bfloat16(self) -> PixelSNAIL:
        """Weights in bfloat16, for drawing; those of the last layer stay as they are, so logits are float32."""
        self.to(torch.bfloat16)
        self.out.float()
        return self

    def for_last(self, x: Tensor) -> Tensor:
        """In the type that the last layer reads."""
        return x if self.embed.weight.dtype == self.out.weight.dtype else x.to(self.out.weight.dtype)

    @torch.no_grad()
    def start(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """No token yet. Takes a copy of the weights, and memory for a batch, unless a state of as many
        samples and of these weights is there to be used again.
        """
        return self._start(batch_size, condition, reuse, fixed=False)

    @torch.no_grad()
    def start_fixed(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """A state for steps that are the same operations at the same addresses in every row, so that a row can
        be recorded (`priors.graphed`). They take K for "nothing yet", and cost a little more, as
        attention reads all positions.
        """
        return self._start(batch_size, condition, reuse, fixed=True)

    def _start(self, batch_size: int, condition: Tensor | None, reuse: _State | None, fixed: bool) -> _State:
        if reuse is None or not reuse.fits(batch_size, condition, fixed, self._weights()):
            reuse = self._new_state(batch_size, condition, fixed)
        return reuse.reset(condition)

    def _new_state(self, batch_size: int, condition: Tensor | None, fixed: bool) -> _State:
        (height, width), like = self.grid, self.embed.weight
        backgrounds = self.background.permute(1, 2, 0).unsqueeze(2).contiguous()
        nothing = torch.full((batch_size,), self.codebook_size, device=like.device)
        line = nothing[:, None].repeat(1, width)
        blocks = [block.start(batch_size, self.grid) for block in self._blocks()]
        return _State(
            position=0,
            place=Place.before_all(height * width, blocks[0].attention.keys) if fixed else None,
            row=nothing.new_empty(1),
            tokens=nothing.new_empty(batch_size, height // self.stack + height, width),
            line=line,
            places=line.unbind(1),
            nothing=nothing,
            condition=None
            if condition is None
            else like.new_empty(height, width, batch_size, condition.shape[1]),
            backgrounds=backgrounds,
            bases=functional.linear(backgrounds, self.place.weight[:, :, 0, 0], self.place.bias),
            entries=like.new_empty(width, batch_size, like.shape[1]),
            first=self.first.start(batch_size, width),
            blocks=blocks,
            out=self.out.mixing(batch_size),
            weights=self._weights(),
        )

    def _weights(self) -> tuple[torch.dtype, int]:
        """Type of the weights, and a number that grows whenever one is written."""
        return self.embed.weight.dtype, sum(parameter._version for parameter in self.parameters())

    @torch.no_grad()
    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K) of the next position; equal to `logits` there."""
        previous = state.nothing if previous is None else previous
        state.places[state.position % self.grid[1] - 1].copy_(previous)
        return state.out(self.step_features(functional.embedding(previous, self.embed.weight), state))

    @torch.no_grad()
    def step_features(self, entry: Tensor, state: _State) -> Tensor:
        """`features` (B, C) of the next position, given what enters there (B, C); may be overwritten by the
        next step.
        """
        column = state.position % self.grid[1]
        if column == 0:
            self._next_row(state)
        if state.place is not None:
            state.place.advance()
        torch.add(state.entries[column], entry, out=state.first.slots[column])
        position, targets = state.place or state.position, [block.seen[column].x for block in state.blocks]
        x = state.first.read(column, out=targets[0])
        for block, target in zip(state.blocks, [*targets[1:], None], strict=True):
            x = block.step(column, position, target)
        state.position += 1
        return self.for_last(functional.elu_(x))

    def _next_row(self, state: _State) -> None:
        """What is known of a row before its first token."""
        half = self.grid[0] // self.stack
        state.row.add_(1)
        # the row above, whose last token has just come
        state.tokens.index_copy_(1, state.row + (half - 1), state.line[:, None])
        background, base = (
            state.backgrounds.index_select(0, state.row)[0],
            state.bases.index_select(0, state.row)[0],
        )
        if self.embed_aligned is None:
            state.entries.copy_(base.expand_as(state.entries))
        else:
            aligned = state.tokens.index_select(1, state.row)[:, 0].t()
            torch.add(base, self.embed_aligned(aligned), out=state.entries)
        self.first.next_row(state.first)
        condition = (
            None if state.condition is None else state.condition.index_select(0, state.row)[0].flatten(0, 1)
        )
        for block, block_state in zip(self._blocks(), state.blocks, strict=True):
            block.next_row(block_state, background, condition)

    def _blocks(self) -> list[Block]:
        return cast(list[Block], list(self.blocks))

    @property
    def _half(self) -> int:
        return self.grid[0] // self.stack * self.grid[1]

    def delayed(self, flat: Tensor, positions: int) -> Tensor:
        """Tokens (B, N) moved back by some positions, "nothing yet" before them."""
        return functional.pad(flat, (positions, 0), value=self.codebook_size)[:, : flat.shape[1]]


def _background(grid: tuple[int, int], stack: int) -> Tensor:
    """What a position knows of itself: row and column within its path, in [-0.5, 0.5], and which path it is,
    (2 + stack, h, w).
    """
    height, width = grid
    path, row = torch.arange(height) // (height // stack), torch.arange(height) % (height // stack)
    rows = (row / (height // stack) - 0.5)[:, None].expand(grid)
    columns = (torch.arange(width) / width - 0.5)[None].expand(grid)
    paths = functional.one_hot(path, stack).t()[:, :, None].expand(stack, *grid)
    return torch.cat([torch.stack([rows, columns]), paths.float()])


def _layout_condition(
    config: PixelSNAILConfig, symbols: int, grid: tuple[int, int], stack: int, coarse: Stream | None
) -> LayoutCondition:
    return LayoutCondition(
        symbols,
        grid,
        stack,
        scale=config.condition_scale,
        embedding=config.condition_embedding,
        channels=config.condition_channels,
        residual_channels=config.condition_residual_channels,
        residual_blocks=config.condition_residual_blocks,
        scene=config.condition_scene,
        dropout=config.condition_dropout,
        coarse=coarse,
    )

"""PixelSNAIL in as many steps as there are rows: all tokens of a row are drawn at once.

    p(z | s) = prod_r prod_c p(z_rc | z_<r, s),    z_<r: the tokens of all rows above r

The blocks are those of PixelSNAIL. What enters is shifted by a whole row, so that nothing of the current row
is there to be seen; hence kernels need no mask, and a position attends to all positions of its own row and of
the rows above. Tokens of a row are independent of each other given what is above them and the layout: that is
the price. With the tokens of two paths stacked, the rows of the second path know the whole first path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from labelmint.nn.attention import CausalAttention
from labelmint.nn.causal import CausalConv2d
from labelmint.nn.residual import GatedResidual
from labelmint.priors.grouped import OnTrunk
from labelmint.priors.pixelsnail import Block, PixelSNAIL, PixelSNAILConfig
from labelmint.protocols import Stream

__all__ = ["RowPixelSNAIL"]


class _RowAttention(CausalAttention):
    """Every position attends to its own row and all rows above."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """All positions at once."""
        height, width = query.shape[-2:]
        row = torch.arange(height * width, device=query.device) // width
        found = functional.scaled_dot_product_attention(
            *self.projected(query, key), attn_mask=row[:, None] >= row[None]
        )
        return found.transpose(2, 3).reshape(len(query), self.channels, height, width)

    def projected(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, heads, N, D) of inputs (B, C, h, w)."""
        keys, values = self.key_value(key.flatten(2).transpose(1, 2)).chunk(2, dim=-1)
        return (
            self._split(self.query(query.flatten(2).transpose(1, 2))),
            self._split(keys),
            self._split(values),
        )


class _BlockState(NamedTuple):
    """Inputs of each convolution in the rows above, (B, C, R - 1, w), and keys and values so far, (B, heads,
    N, D).
    """

    histories: list[tuple[Tensor, Tensor]]
    keys: Tensor
    values: Tensor


@dataclass
class _State:
    """row: the next one. tokens: rows drawn so far, (B, h / stack + h, w), below h / stack rows of "nothing
    yet".
    """

    row: int
    tokens: Tensor
    condition: Tensor | None
    first: Tensor
    blocks: list[_BlockState]


class RowPixelSNAIL(OnTrunk):
    """GroupedPrior over (B, h, w) tokens, in h steps; arguments as for `PixelSNAIL`."""

    _order: Tensor

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
        self.codebook_size, self.grid, self.stack = codebook_size, grid, stack
        self.trunk = PixelSNAIL(config, codebook_size, grid, stack, symbols, coarse)
        for block in self._blocks():
            given = block.attention
            inputs = given.query.in_features, given.key_value.in_features
            block.attention = _RowAttention(*inputs, config.attention_channels, config.attention_heads)
        for module in self.trunk.modules():
            if isinstance(module, CausalConv2d):
                module.visible.fill_(1)
        self.register_buffer("_order", torch.arange(grid[0] * grid[1]).view(grid), persistent=False)

    @property
    def order(self) -> Tensor:
        """The rows, (h, w)."""
        return self._order

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """(B, h, w) -> (B, K, h, w); every position of a row sees the tokens of all rows above."""
        flat, width = tokens.flatten(1), self.grid[1]
        overlying = self.trunk.delayed(flat, self._half * width) if self.stack > 1 else None
        entries = self._entry(self.trunk.delayed(flat, width), overlying)
        logits: Tensor = self.trunk.out(self.trunk.features(entries.unflatten(2, self.grid), condition))
        return logits

    def _entry(self, above: Tensor, overlying: Tensor | None) -> Tensor:
        """What enters, (B, C, N), given the tokens above and those of the path before, (B, N) each."""
        entry = functional.embedding(above, self.trunk.embed.weight)
        if overlying is not None and self.trunk.embed_aligned is not None:
            entry = entry + self.trunk.embed_aligned(overlying)
        return entry.transpose(1, 2)

    def to_bfloat16(self) -> RowPixelSNAIL:
        """Weights in bfloat16, for drawing; those of the last layer stay as they are, so logits are float32."""
        self.trunk.to_bfloat16()
        return self

    @torch.no_grad()
    def start(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """No row yet, in the memory of a state of as many samples if one is there."""
        if reuse is None or len(reuse.tokens) != batch_size:
            reuse = self._new_state(batch_size)
        reuse.row, reuse.condition = 0, condition
        reuse.tokens.fill_(self.codebook_size)
        for history in (
            reuse.first,
            *(one for block in reuse.blocks for pair in block.histories for one in pair),
        ):
            history.zero_()
        return reuse

    def _new_state(self, batch_size: int) -> _State:
        (height, width), like = self.grid, self.trunk.embed.weight

        def history(of: CausalConv2d) -> Tensor:
            return like.new_empty(batch_size, of.weight.shape[1], of.rows - 1, width)

        def memory(block: Block) -> _BlockState:
            heads = block.attention.heads
            shape = (batch_size, heads, height * width, block.attention.channels // heads)
            histories = [(history(one.first), history(one.second)) for one in block.all_residuals()]
            return _BlockState(histories, like.new_empty(shape), like.new_empty(shape))

        return _State(
            row=0,
            tokens=torch.empty(batch_size, self._half + height, width, dtype=torch.long, device=like.device),
            condition=None,
            first=history(self.trunk.first),
            blocks=[memory(block) for block in self._blocks()],
        )

    @torch.no_grad()
    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K, w) of the next row, given the tokens (B, w) of the row before it."""
        row, rows = state.row, slice(state.row, state.row + 1)
        above = state.tokens[:, self._half + row - 1]
        if previous is not None:
            above.copy_(previous)
        entry = self._entry(above, state.tokens[:, row])
        background = self.trunk.background[:, rows].expand(len(entry), -1, -1, -1)
        condition = None if state.condition is None else state.condition[:, :, rows]
        x = _convolved(self.trunk.first, entry.unsqueeze(2) + self.trunk.place(background), state.first)
        for block, memory in zip(self._blocks(), state.blocks, strict=True):
            x = _of_block(block, x, background, condition, memory, row)
        state.row += 1
        logits: Tensor = self.trunk.out(self.trunk.for_last(functional.elu(x)))
        return logits[:, :, 0]

    def _blocks(self) -> list[Block]:
        return cast(list[Block], list(self.trunk.blocks))

    @property
    def _half(self) -> int:
        return self.grid[0] // self.stack


def _of_block(
    block: Block, x: Tensor, background: Tensor, condition: Tensor | None, memory: _BlockState, row: int
) -> Tensor:
    """A block's output for one row, (B, C, 1, w); as `Block.forward` but for the memory of the rows above."""
    out = x
    for residual, histories in zip(block.all_residuals(), memory.histories, strict=True):
        out = _of_residual(residual, out, condition, histories)
    key = block.key(torch.cat([x, out, background], dim=1))
    query = block.query(torch.cat([out, background], dim=1))
    queries, keys, values = cast(_RowAttention, block.attention).projected(query, key)
    width = x.shape[3]
    memory.keys[:, :, row * width : (row + 1) * width].copy_(keys)
    memory.values[:, :, row * width : (row + 1) * width].copy_(values)
    seen = (row + 1) * width
    found = functional.scaled_dot_product_attention(
        queries, memory.keys[:, :, :seen], memory.values[:, :, :seen]
    )
    answer: Tensor = block.out(out, auxiliary=found.transpose(2, 3).reshape(len(x), -1, 1, width))
    return answer


def _of_residual(
    residual: GatedResidual, x: Tensor, condition: Tensor | None, histories: tuple[Tensor, Tensor]
) -> Tensor:
    """A gated residual block's output for one row; it has no auxiliary input."""
    hidden = functional.elu(_convolved(residual.first, functional.elu(x), histories[0]))
    gated = _convolved(residual.second, hidden, histories[1])
    if residual.from_condition is not None and condition is not None:
        gated = gated + residual.from_condition(condition)
    return x + functional.glu(gated, dim=1)


def _convolved(of: CausalConv2d, x: Tensor, history: Tensor) -> Tensor:
    """The convolution's output for one row (B, C, 1, w) below its history (B, C, R - 1, w), which moves on by
    this row.
    """
    seen = torch.cat([history, x], dim=2)
    history.copy_(seen[:, :, 1:])
    return functional.conv2d(seen, of.weight, of.bias, padding=(0, of.reach))

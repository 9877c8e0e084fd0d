"""A decoder-only transformer over a grid of tokens, after a prefix that says what they are to show.

    p(z | c) = prod_i p(z_i | z_<i, c),    i in raster order, in one causal sequence: c_1 ... c_P, "nothing
                                           yet", z_1 ... z_{N-1}

The condition c is a grid of cells: tokens of another codebook, with a table of their own, or features of a
layout. It stands before the tokens ("prefix", as published), or is added to what enters at each position that
it lies over ("aligned"), or both. A place is the sum of a learned row and a learned column, for the prefix
and for the tokens; stacked paths share these and have an embedding each. What enters is the token before and
the place of the next, so that stacking and no prefix need nothing special. The prefix is causal like the
rest: fused attention is twice as fast, trained, without a mask of its own.

A prior that is trained on some samples without their condition learns a vector that stands in place of each
cell; then it can be guided (`priors.guided`), or drawn from without a condition. Against overfitting, a share
of the tokens read can be random ones (the published `pkeep`): `objectives.likelihood` does so for any prior.

References:
    Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2021),
    https://arxiv.org/abs/2012.09841
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import Place
from labelmint.nn.initial import begin_as_gpt2
from labelmint.nn.packed import Product, product
from labelmint.nn.transformer_block import TransformerBlock, TransformerBlockState
from labelmint.priors.conditioning import LayoutCondition, with_nothing
from labelmint.protocols import Stream
from labelmint.types import LayoutBatch

__all__ = ["TransformerConfig", "TransformerPrior"]

# positions of the prefix, on a CPU: what they need stays in its cache, and products are three times faster
_AT_ONCE = 512


class TransformerConfig(BaseModel):
    """Sizes of a transformer. Published: width 1024, 24 layers, 16 heads with a key and a value each."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    width: int = Field(256, ge=1)
    layers: int = Field(8, ge=1)
    heads: int = Field(8, ge=1)
    key_value_heads: int = Field(
        2, ge=1, description="different keys and values; heads share them, and fewer are drawn from faster"
    )
    hidden: int = Field(4, ge=1, description="width of a hidden layer, in widths")
    dropout: float = Field(0.1, ge=0, lt=1)
    condition: Literal["prefix", "aligned", "both"] = Field(
        "prefix", description="before the tokens, added to them, or both"
    )
    condition_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of samples trained without their condition, for guidance"
    )
    condition_scale: int = Field(2, ge=1, description="cells of a layout a token, along each side")
    condition_embedding: int = Field(32, ge=1, description="width of a layout symbol's embedding")
    condition_residual_channels: int = Field(64, ge=1, description="in the features of a layout")
    condition_residual_blocks: int = Field(2, ge=0, description="in the features of a layout")

    @model_validator(mode="after")
    def _check(self) -> TransformerConfig:
        for whole, part in (("width", "heads"), ("heads", "key_value_heads")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} must be a multiple of {part}, got {getattr(self, whole)} and "
                    f"{getattr(self, part)}"
                )
        return self


class _Places(nn.Module):
    """What a position of a grid knows of itself, (h w, C): row and column within its path, and which path it
    is.
    """

    def __init__(self, grid: tuple[int, int], stack: int, width: int) -> None:
        super().__init__()
        self.row = nn.Embedding(grid[0] // stack, width)
        self.column = nn.Embedding(grid[1], width)
        self.path = nn.Embedding(stack, width) if stack > 1 else None

    def forward(self) -> Tensor:
        path = (self.row.weight[:, None] + self.column.weight).flatten(0, 1)
        return path if self.path is None else (self.path.weight[:, None] + path).flatten(0, 1)


class _TokenCells(nn.Module):
    """Tokens of the stream that is the condition, (B, h_c, w_c) in place of a layout's ids -> features (B, C,
    h_c, w_c).
    """

    def __init__(self, stream: Stream, width: int) -> None:
        super().__init__()
        self.stream, self.embed = stream, nn.Embedding(stream.codebook_size, width)

    def forward(self, tokens: LayoutBatch) -> Tensor:
        if tuple(tokens.ids.shape[1:]) != self.stream.grid:
            raise ValueError(
                f"the condition is a grid of {tuple(tokens.ids.shape[1:])} tokens, expected {self.stream}"
            )
        features: Tensor = self.embed(tokens.ids.long())
        return features.permute(0, 3, 1, 2)


@dataclass
class _State:
    """The state of one batch. Everything that a step reads or writes stays in its place, but for `position`.

    Attributes:
        position: that of the last token in the sequence, the prefix included.
        place: the same in memory, where attention is to read all positions at every step.
        nothing: "nothing yet", (B,).
        entries: what enters at each position of the grid beside the token before it, (N, B, C).
        weights: type and version of those that were copied.
    """

    position: int
    place: Place | None
    nothing: Tensor
    entries: Tensor
    blocks: list[TransformerBlockState]
    out: Product
    weights: tuple[torch.dtype, int]

    def fits(self, batch_size: int, fixed: bool, weights: tuple[torch.dtype, int]) -> bool:
        """True if other samples can take the memory of these, and their copy of the weights."""
        return (
            fixed == (self.place is not None) and len(self.nothing) == batch_size and self.weights == weights
        )

    def reset(self, prefix: int) -> None:
        """Go back to before the first token after a prefix of n positions."""
        self.position = prefix - 1
        if self.place is not None:
            self.place.reset()
            self.place.number.fill_(prefix - 1)
            self.place.hidden.narrow(0, 0, prefix).zero_()
            for block in self.blocks:
                block.reset()


class TransformerPrior(nn.Module):
    """Prior over (B, h, w) tokens of K values.

    Arguments:
        config: sizes.
        codebook_size: K.
        grid: (h, w).
        stack: paths stacked in h.
        symbols: layout symbols S of the condition; 0 = it is not layouts.
        given: the stream of tokens that is the condition; None = it is not tokens.
    """

    under: Tensor  # the cell of the condition over each position of the grid

    def __init__(
        self,
        config: TransformerConfig,
        codebook_size: int,
        grid: tuple[int, int],
        stack: int = 1,
        symbols: int = 0,
        given: Stream | None = None,
    ) -> None:
        super().__init__()
        self.config, self.codebook_size, self.grid, self.stack = config, codebook_size, grid, stack
        width, path = config.width, (grid[0] // stack, grid[1])
        cells = path if given is None else given.grid
        self.cells = cells[0] * cells[1]
        self.embed = nn.Embedding(codebook_size + 1, width)  # the last row stands for "nothing yet"
        self.places = _Places(grid, stack, width)
        self.condition = _condition(config, path, symbols, given)
        prefixed = self.condition is not None and config.condition != "aligned"
        self.aligned = self.condition is not None and config.condition != "prefix"
        self.prefix_places = _Places(cells, 1, width) if prefixed else None
        self.register_buffer("under", _under(cells, path, stack) if self.aligned else None, persistent=False)
        without = self.condition is not None and config.condition_dropout > 0
        self.without = nn.Parameter(torch.zeros(width)) if without else None  # in place of each cell
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width, config.heads, config.key_value_heads, config.hidden * width, config.dropout
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, codebook_size)
        begin_as_gpt2(self, width)

    @property
    def prefix(self) -> int:
        """P, positions before the first token."""
        return 0 if self.prefix_places is None else self.cells

    def prepare(self, condition: LayoutBatch | Tensor | None) -> Tensor | None:
        """Features of the condition's cells, (B, cells, C): of layouts, or of tokens (B, h_c, w_c), which may
        come as a LayoutBatch too.
        """
        if self.condition is None or condition is None:
            return None
        shown = LayoutBatch(condition) if isinstance(condition, Tensor) else condition
        features: Tensor = self.condition(shown).flatten(2).transpose(1, 2)
        if shown.labelled is None:  # a prior that never does without has nothing to stand for a layout
            return features
        return with_nothing(features, self.nothing_like(features), shown)

    def nothing_like(self, features: Tensor) -> Tensor:
        """What stands in place of such features where there is no condition: in each cell the vector that was
        learned.
        """
        if self.without is None:
            raise ValueError(
                "this prior draws neither guided nor without a condition: train it with condition_dropout > 0"
            )
        return self.without.expand_as(features)

    def forward(self, tokens: Tensor, condition: LayoutBatch | Tensor | None = None) -> Tensor:
        """Logits (B, K, h, w) of tokens (B, h, w) given a condition: prepare, then logits."""
        return self.logits(tokens, self.prepare(condition))

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """(B, h, w) -> (B, K, h, w); position i sees only tokens before i."""
        cells = self._cells(condition, len(tokens))
        before = self.embed(functional.pad(tokens.flatten(1), (1, 0), value=self.codebook_size)[:, :-1])
        x = before + self._beside(cells)
        if self.prefix_places is not None:
            x = torch.cat([cells + self.prefix_places(), x], dim=1)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = (
            self.out(self._for_last(self.norm(x[:, self.prefix :]))).transpose(1, 2).unflatten(2, self.grid)
        )
        return logits

    def _cells(self, condition: Tensor | None, batch_size: int) -> Tensor:
        """Features of what stands before the tokens or over them, (B, cells, C): of the condition, in
        training of some samples' alone.
        """
        like = self.embed.weight
        if self.condition is None:
            return like.new_empty(batch_size, 0, like.shape[1])
        if condition is None:
            return self.nothing_like(like.new_empty(batch_size, self.cells, like.shape[1]))
        if self.training and self.without is not None:
            dropped = torch.rand(batch_size, 1, 1, device=like.device) < self.config.condition_dropout
            return torch.where(dropped, self.nothing_like(condition), condition)
        return condition

    def _beside(self, cells: Tensor) -> Tensor:
        """What enters beside the token before, (1 or B, N, C)."""
        places: Tensor = self.places()[None]
        return places + cells[:, self.under] if self.aligned else places

    def to_bfloat16(self) -> TransformerPrior:
        """Weights in bfloat16, for drawing; those of the last layer stay as they are, so logits are float32."""
        self.to(torch.bfloat16)
        self.out.float()
        return self

    def _for_last(self, x: Tensor) -> Tensor:
        """In the type that the last layer reads."""
        return x if self.embed.weight.dtype == self.out.weight.dtype else x.to(self.out.weight.dtype)

    @torch.no_grad()
    def start(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """No token yet, but the prefix seen. Takes a copy of the weights, and memory for a batch, unless a
        state of as many samples and of these weights is there to be used again.
        """
        return self._start(batch_size, condition, reuse, fixed=False)

    @torch.no_grad()
    def start_fixed(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """A state for steps that are the same operations at the same addresses at every position, so that they
        can be recorded (`priors.graphed`). They take K for "nothing yet", and cost more, as attention
        reads all positions.
        """
        return self._start(batch_size, condition, reuse, fixed=True)

    def _start(self, batch_size: int, condition: Tensor | None, reuse: _State | None, fixed: bool) -> _State:
        cells = self._cells(condition, batch_size)
        if reuse is None or not reuse.fits(batch_size, fixed, self._weights()):
            reuse = self._new_state(batch_size, fixed)
        reuse.reset(self.prefix)
        reuse.entries.copy_(self._beside(cells).transpose(0, 1).expand_as(reuse.entries))
        if self.prefix_places is not None:
            places, some = (
                self.prefix_places(),
                batch_size if cells.is_cuda else max(_AT_ONCE // self.prefix, 1),
            )
            for first in range(0, batch_size, some):
                x = cells[first : first + some] + places
                for block in reuse.blocks:
                    x = block.begin(x, first)
        return reuse

    def _new_state(self, batch_size: int, fixed: bool) -> _State:
        count, like = self.grid[0] * self.grid[1], self.embed.weight
        blocks = [block.start(batch_size, self.prefix + count) for block in self._blocks()]
        return _State(
            position=-1,
            place=Place.before_all(self.prefix + count, blocks[0].keys) if fixed else None,
            nothing=torch.full((batch_size,), self.codebook_size, device=like.device),
            entries=like.new_empty(count, batch_size, like.shape[1]),
            blocks=blocks,
            out=product(self.out.weight.t(), batch_size),
            weights=self._weights(),
        )

    def _weights(self) -> tuple[torch.dtype, int]:
        """Type of the weights, and a number that grows whenever one is written."""
        return self.embed.weight.dtype, sum(parameter._version for parameter in self.parameters())

    @torch.no_grad()
    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K) of the next position; equal to `logits` there."""
        token = functional.embedding(state.nothing if previous is None else previous, self.embed.weight)
        state.position += 1
        if state.place is None:
            entry = state.entries[state.position - self.prefix]
        else:
            state.place.advance()
            entry = state.entries.index_select(0, state.place.number - self.prefix)[0]
        x = entry + token
        for block in state.blocks:
            x = block.step(x, state.place or state.position)
        return state.out(self._for_last(self.norm(x)), self.out.bias)

    def _blocks(self) -> list[TransformerBlock]:
        return cast(list[TransformerBlock], list(self.blocks))


def _condition(
    config: TransformerConfig, path: tuple[int, int], symbols: int, given: Stream | None
) -> LayoutCondition | _TokenCells | None:
    if symbols and given is not None:
        raise ValueError(f"the condition is layouts of {symbols} symbols or tokens of {given}, not both")
    if given is not None:
        return _TokenCells(given, config.width)
    if not symbols:
        return None
    return LayoutCondition(
        symbols,
        path,
        1,
        scale=config.condition_scale,
        embedding=config.condition_embedding,
        channels=config.width,
        residual_channels=config.condition_residual_channels,
        residual_blocks=config.condition_residual_blocks,
    )


def _under(cells: tuple[int, int], path: tuple[int, int], stack: int) -> Tensor:
    """The cell over each position, (N,), every path under the same cells."""
    if any(positions % count for positions, count in zip(path, cells, strict=True)):
        raise ValueError(
            f"a condition of {cells} cells can't be aligned with paths of {path} tokens; take "
            f"condition='prefix'"
        )
    rows, columns = (
        torch.arange(positions) // (positions // count) for positions, count in zip(path, cells, strict=True)
    )
    return (rows[:, None] * cells[1] + columns).flatten().repeat(stack)

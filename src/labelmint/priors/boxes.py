"""A transformer over sets of boxes, written in tokens: objects from the largest to the smallest, five tokens each.

    p(s) = prod_n p(c_n | o_<n) p(w_n | c_n, o_<n) p(h_n | ...) p(x_n | ...) p(y_n | ...),    o = (c, w, h, x, y)

c is a class, or the end after the last object. Sizes come before places: an object that is to lie somewhere and to be
of some size is then drawn coordinate by coordinate, and none leads into a corner where nothing fits. Sizes have equal
ratios, from one pixel to the whole side; places are the middles of equal parts of a side. A box that ends less than
half such a part from an edge ends there, as objects do that an edge cuts off.

References:
    LayoutTransformer (Gupta et al., 2021), https://arxiv.org/abs/2006.14615
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.initial import begin_as_gpt2
from labelmint.nn.transformer_block import TransformerBlock, TransformerBlockState
from labelmint.types import Array, LayoutBatch

__all__ = ["COLUMNS", "BoxCode", "BoxTransformer", "BoxTransformerConfig"]

COLUMNS = 5  # class, width, height, x, y
_EDGE = 1e-9


class BoxTransformerConfig(BaseModel):
    """Sizes of a transformer over boxes, and of its code."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    width: int = Field(128, ge=1)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    sizes: int = Field(32, ge=2, description="different widths, and heights, of boxes")
    places: int = Field(48, ge=2, description="different places along each side")

    @model_validator(mode="after")
    def _check(self) -> BoxTransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} and {self.heads}")
        return self


@dataclass(frozen=True, kw_only=True)
class BoxCode:
    """How boxes are written in tokens.

    Tokens are 0 ... kinds - 1 for the kinds of objects, `kinds` for the end, then the sizes, then the places.

    Arguments:
        kinds: of objects. rows: objects of a layout at most.
        sizes, places: how many there are. size: (H, W) of the image in pixels.
    """

    kinds: int
    rows: int
    sizes: int
    places: int
    size: tuple[int, int]

    @property
    def codebook_size(self) -> int:
        """K."""
        return self.kinds + 1 + self.sizes + self.places

    @property
    def first_size(self) -> int:
        """The token of the smallest size."""
        return self.kinds + 1

    @property
    def first_place(self) -> int:
        """The token of the first place."""
        return self.kinds + 1 + self.sizes

    @cached_property
    def legal(self) -> Array:
        """(5, K), true where a token can stand in a column."""
        found = np.zeros((COLUMNS, self.codebook_size), bool)
        found[0, : self.first_size] = True
        found[1:3, self.first_size : self.first_place] = True
        found[3:, self.first_place :] = True
        return found

    def _sides(self, pixels: int) -> Array:
        """Sizes along a side, from one pixel to the whole of it, in shares."""
        return np.geomspace(1 / max(pixels, 2), 1.0, self.sizes)

    @cached_property
    def widths(self) -> Array:
        """(sizes,) in shares of the image's width."""
        return self._sides(self.size[1])

    @cached_property
    def heights(self) -> Array:
        """(sizes,) in shares of the image's height."""
        return self._sides(self.size[0])

    @cached_property
    def areas(self) -> Array:
        """(sizes, sizes), of each width and height, in shares of the image."""
        found: Array = self.widths[:, None] * self.heights
        return found

    def _centers(self, sides: Array) -> Array:
        """(sizes, places): the middle of a box of each size at each place, NaN where it can't lie. A box that ends less
        than half a step of places from an edge, on either side, ends there.
        """
        places, half, step = (np.arange(self.places) + 0.5) / self.places, sides[:, None] / 2, 1 / self.places
        found = np.where(np.abs(places - half) <= step / 2 + _EDGE, half, places)
        found = np.where(np.abs(places - (1 - half)) <= step / 2 + _EDGE, 1 - half, found)
        return np.where((found >= half - _EDGE) & (found <= 1 - half + _EDGE), found, np.nan)

    @cached_property
    def across(self) -> Array:
        """(sizes, places): where the middle of a box lies across, by its width; NaN where it can't lie."""
        return self._centers(self.widths)

    @cached_property
    def down(self) -> Array:
        """(sizes, places): the same of heights."""
        return self._centers(self.heights)

    def encode(self, boxes: Array) -> Array:
        """Tokens (rows, 5) of boxes (N, 5), kinds and corners in pixels; the largest, where there are too many.

        After the end all tokens are the end.
        """
        tokens = np.full((self.rows, COLUMNS), self.kinds, np.int64)
        if not len(boxes):
            return tokens
        height, width = self.size
        x0, y0, x1, y1 = (boxes[:, 1:] / [width, height, width, height]).T
        wide, high = _nearest(self.widths, x1 - x0), _nearest(self.heights, y1 - y0)
        x, y = _placed(self.across[wide], (x0 + x1) / 2), _placed(self.down[high], (y0 + y1) / 2)
        kinds = boxes[:, 0].astype(np.int64)
        order = np.lexsort((y, x, kinds, -self.areas[wide, high]))[: self.rows]
        columns = (wide + self.first_size, high + self.first_size, x + self.first_place, y + self.first_place)
        rows = np.stack([kinds, *columns], axis=1)
        tokens[: len(order)] = rows[order]
        return tokens

    def decode(self, tokens: Array) -> Array:
        """Boxes (N, 5) of tokens (rows, 5) up to the end: kinds, and corners in shares of the sides."""
        ends = np.flatnonzero(tokens[:, 0] >= self.kinds)
        rows = tokens[: ends[0] if len(ends) else len(tokens)]
        wide, high = (rows[:, 1:3] - self.first_size).T
        x, y = (rows[:, 3:] - self.first_place).T
        half, tall = self.widths[wide] / 2, self.heights[high] / 2
        middle, center = self.across[wide, x], self.down[high, y]
        return np.stack([rows[:, 0], middle - half, center - tall, middle + half, center + tall], axis=1)


def _nearest(sides: Array, values: Array) -> Array:
    """The nearest size, by ratio, of each value."""
    shares = np.log(np.clip(values, sides[0], 1.0) / sides[0]) / np.log(1 / sides[0])
    found: Array = np.rint(shares * (len(sides) - 1)).astype(np.int64)
    return found


def _placed(centers: Array, middles: Array) -> Array:
    """The place whose center (N, places) is nearest to each middle (N,)."""
    found: Array = np.nanargmin(np.abs(centers - middles[:, None]), axis=1)
    return found


@dataclass
class _State:
    """What was drawn of a batch so far.

    Attributes:
        blocks: keys and values of the objects. rows: how many objects were begun.
        found: (B, C), what is known before the object that is drawn now. tokens: its tokens so far, (B, j).
    """

    blocks: list[TransformerBlockState]
    rows: int
    found: Tensor
    tokens: Tensor

    def reset(self) -> None:
        """Go back to before the first object."""
        self.rows, self.tokens = 0, self.tokens[:, :0]
        for block in self.blocks:
            block.reset()


class BoxTransformer(nn.Module):
    """Prior over the tokens (B, rows, 5) of sets of boxes; its logits are of all K tokens, legal ones or not.

    A position of the transformer is an object, the sum of its five tokens' embeddings. What it finds of the objects
    before, and the sum of the tokens of the object itself so far, are the input of a hidden layer that gives logits.

    Arguments:
        config: sizes. code: how boxes are written.
    """

    seen: Tensor  # (kinds, sizes, sizes), how many objects of each width and height the training pairs have
    objects: Tensor  # of a training pair, on average
    _offsets: Tensor  # of the columns in the tables of embeddings

    def __init__(self, config: BoxTransformerConfig, code: BoxCode) -> None:
        super().__init__()
        self.config, self.code, width = config, code, config.width
        self.codebook_size, self.grid = code.codebook_size, (code.rows, COLUMNS)
        self.embed = nn.Embedding(COLUMNS * self.codebook_size, width)  # of objects before
        self.own = nn.Embedding(COLUMNS * self.codebook_size, width)  # of the object itself
        self.begin = nn.Parameter(torch.zeros(width))
        self.row = nn.Embedding(code.rows, width)
        self.column = nn.Embedding(COLUMNS, width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, config.heads, 4 * width, config.dropout)
            for _ in range(config.layers)
        )
        self.norm, self.head_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.hidden, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, self.codebook_size)
        self.register_buffer("seen", torch.zeros(code.kinds, code.sizes, code.sizes))
        self.register_buffer("objects", torch.ones(()))
        offsets = torch.arange(COLUMNS) * self.codebook_size
        self.register_buffer("_offsets", offsets, persistent=False)
        begin_as_gpt2(self, width)

    def prepare(self, condition: LayoutBatch | None) -> None:
        """Nothing: it has no condition."""

    def forward(self, tokens: Tensor, condition: LayoutBatch | None = None) -> Tensor:
        """Logits (B, K, r, 5) of the first r rows, given their tokens (B, r, 5)."""
        return self.logits(tokens, None)

    def logits(self, tokens: Tensor, condition: None) -> Tensor:
        """(B, r, 5) -> (B, K, r, 5); a token sees only those before it, in raster order."""
        rows = tokens.shape[1]
        numbered = tokens + self._offsets.to(tokens.device)
        objects = self.embed(numbered).sum(dim=2)
        begin = self.begin.expand(len(tokens), 1, -1)
        x = self.dropout(torch.cat([begin, objects[:, :-1]], dim=1) + self.row.weight[:rows])
        for block in self.blocks:
            x = block(x)
        before = functional.pad(self.own(numbered[..., :-1]).cumsum(dim=2), (0, 0, 1, 0))
        found = self.norm(x)[:, :, None] + before + self.column.weight
        return self._head(self.dropout(found)).permute(0, 3, 1, 2)

    def _head(self, found: Tensor) -> Tensor:
        logits: Tensor = self.out(functional.gelu(self.hidden(self.head_norm(found))))
        return logits

    @torch.no_grad()
    def start(self, batch_size: int, condition: None = None, reuse: _State | None = None) -> _State:
        """No object yet, in the memory of a state of as many layouts, if one is given: its weights must not have
        changed.
        """
        if reuse is None or len(reuse.found) != batch_size:
            like, (rows, _) = self.begin, self.grid
            blocks = [block.start(batch_size, rows) for block in self._blocks()]
            none = torch.zeros(batch_size, 0, dtype=torch.long, device=like.device)
            reuse = _State(blocks, 0, like.new_zeros(batch_size, len(like)), none)
        reuse.reset()
        return reuse

    @torch.no_grad()
    def next_object(self, state: _State, last: Tensor | None) -> None:
        """Begin an object, given the tokens (B, 5) of the one before; None at the first."""
        x = self.begin.expand_as(state.found) if last is None else self.embed(last + self._offsets).sum(dim=1)
        x = x + self.row.weight[state.rows]
        for block in state.blocks:
            x = block.step(x, state.rows)
        state.rows, state.found, state.tokens = state.rows + 1, self.norm(x), state.tokens[:, :0]

    @torch.no_grad()
    def next_column(self, state: _State, before: Tensor) -> Tensor:
        """Logits (B, K) of a column, given the tokens (B, j) of the object that was begun, j = 0 ... 4."""
        column = before.shape[1]
        own = self.own(before + self._offsets[:column]).sum(dim=1)
        return self._head(state.found + own + self.column.weight[column])

    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K) of the next token, given the one (B,) before; equal to `logits` there."""
        if previous is not None:
            state.tokens = torch.cat([state.tokens, previous[:, None]], dim=1)
        if previous is None or state.tokens.shape[1] == COLUMNS:
            self.next_object(state, None if previous is None else state.tokens)
        return self.next_column(state, state.tokens)

    def drawing_bytes(self, batch_size: int) -> int:
        """Bytes that a batch keeps between steps: keys and values, the copy of the weights, and logits."""
        weights = sum(one.numel() for one in self.parameters())
        kept = 2 * self.config.layers * self.code.rows * self.config.width + 4 * self.codebook_size
        return 4 * (weights + batch_size * kept)

    def _blocks(self) -> list[TransformerBlock]:
        return cast(list[TransformerBlock], list(self.blocks))

    @torch.no_grad()
    def count(self, tokens: Tensor) -> None:
        """Remember what sizes objects have, and how many there are, in tokens (B, rows, 5)."""
        kinds, wide, high = tokens[tokens[..., 0] < self.code.kinds][:, :3].unbind(dim=1)
        self.seen.zero_().index_put_(
            (kinds, wide - self.code.first_size, high - self.code.first_size),
            torch.ones(len(kinds), device=self.seen.device),
            accumulate=True,
        )
        self.objects.fill_(max(len(kinds) / len(tokens), 1e-3))

"""Attention over a grid: every position to every other (SAGAN), and causal, whole or one position at a time
(PixelSNAIL).

    attention(q, k, v)_i = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j,    j over all positions, or over j <= i

q, k and v have one width, because only then does PyTorch's fast kernel serve on a CPU; with narrower q and k,
as published, it falls back to a path that is 8 to 20 times slower. The causal form includes j = i: its inputs
are shifted by one position already.

References:
    Self-Attention Generative Adversarial Networks (Zhang et al., 2019), https://arxiv.org/abs/1805.08318
    PixelSNAIL (Chen et al., 2017), https://arxiv.org/abs/1712.09763
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.causal import Mixing

__all__ = ["CausalAttention", "CausalAttentionState", "Place", "SelfAttention"]


class SelfAttention(nn.Module):
    """y = x + gamma * out(attention(q(x), k(x), v(x))), (B, C, h, w) -> the same; gamma starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = max(channels // 2, 8)
        self.project = nn.Conv2d(channels, 3 * self.width, 1)
        self.out = nn.Conv2d(self.width, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Costs (h w)^2; keep it to small maps."""
        height, width = x.shape[-2:]
        query, key, value = self.project(x).flatten(2).transpose(1, 2)[:, None].chunk(3, dim=-1)
        found = functional.scaled_dot_product_attention(query, key, value)[:, 0].transpose(1, 2)
        mixed: Tensor = self.out(found.reshape(*found.shape[:2], height, width))
        return x + self.gamma * mixed

    def weights(self, x: Tensor) -> Tensor:
        """The weights softmax_j(q_i . k_j / sqrt(D)) that `forward` mixes with and never holds, (B, C, h, w)
        -> (B, h w, h w).
        """
        query, key, _ = self.project(x).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        return torch.softmax(query @ key.transpose(1, 2) / self.width**0.5, dim=-1)


class Place(NamedTuple):
    """A position that stands in memory, so that a step is the same operations on the same tensors at every
    position.

    Attributes:
        number: the position, (1,).
        hidden: added to every query's scores, (N,): 0 for the positions seen so far, this one included, -inf
            for the others.
    """

    number: Tensor
    hidden: Tensor

    @classmethod
    def before_all(cls, positions: int, like: Tensor) -> Place:
        """Before the first position; scores have the type of `like`."""
        return cls(torch.zeros(1, dtype=torch.long, device=like.device), like.new_empty(positions)).reset()

    def reset(self) -> Place:
        """Before the first position again."""
        self.number.fill_(-1)
        self.hidden.fill_(-torch.inf)
        return self

    def advance(self) -> None:
        """To the next position."""
        self.hidden.index_fill_(0, self.number.add_(1), 0.0)


@dataclass
class CausalAttentionState:
    """Keys (B * heads, D, N) and values (B * heads, N, D) so far: as the two products read them, which is
    twice as fast on a CPU as the fused kernel for a single query. On a CPU they are float32 whatever the
    weights are: its batched products of bfloat16 are slow.

    Attributes:
        query: its product is scaled by 1 / sqrt(D). key_value: both in one product.
        queries, both: what they return, (B, channels) and (B, 2 channels). found: what attention finds, (B *
            heads, 1, D).
    """

    keys: Tensor
    values: Tensor
    query: Mixing
    key_value: Mixing
    queries: Tensor
    both: Tensor
    found: Tensor

    def __post_init__(self) -> None:
        batch, (items, depth, positions) = len(self.both), self.keys.shape
        self._key, self._value = self.both.view(batch, 2, items // batch, depth).unbind(1)
        self._keys = self.keys.view(batch, -1, depth, positions)
        self._values = self.values.view(batch, -1, positions, depth)
        self._queries, self._found = self.queries.view(items, 1, depth), self.found.view(batch, -1)

    def step(self, query: Tensor, key: Tensor, position: int | Place) -> Tensor:
        """(B, channels) at this position, given its inputs (B, C_q) and (B, C_k); positions come in order. A
        number reads only what has been seen; a `Place` reads all N positions and weighs those to come with 0.
        The next step overwrites it.
        """
        self.key_value(key, self.both)
        self.query(query, self.queries)
        queries = (
            self._queries if self.queries.dtype == self.keys.dtype else self._queries.to(self.keys.dtype)
        )
        if isinstance(position, int):
            self._keys.select(3, position).copy_(self._key)
            self._values.select(2, position).copy_(self._value)
            weights = torch.bmm(queries, self.keys.narrow(2, 0, position + 1)).softmax(dim=2)
            torch.bmm(weights, self.values.narrow(1, 0, position + 1), out=self.found)
        else:
            self._keys.index_copy_(3, position.number, self._key.unsqueeze(3).to(self.keys.dtype))
            self._values.index_copy_(2, position.number, self._value.unsqueeze(2).to(self.keys.dtype))
            torch.bmm(
                torch.baddbmm(position.hidden, queries, self.keys).softmax(dim=2), self.values, out=self.found
            )
        return self._found if self.queries.dtype == self.keys.dtype else self._found.to(self.queries.dtype)


class CausalAttention(nn.Module):
    """Multi-head attention in raster order, queries (B, C_q, h, w) and keys (B, C_k, h, w) -> (B, channels,
    h, w).
    """

    def __init__(self, query_channels: int, key_channels: int, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(
                f"attention channels must be a multiple of the heads, got {channels} and {heads}"
            )
        self.heads, self.channels = heads, channels
        self.query = nn.Linear(query_channels, channels)
        self.key_value = nn.Linear(key_channels, 2 * channels)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """All positions at once."""
        height, width = query.shape[-2:]
        queries = self._split(self.query(query.flatten(2).transpose(1, 2)))
        keys, values = self.key_value(key.flatten(2).transpose(1, 2)).chunk(2, dim=-1)
        found = functional.scaled_dot_product_attention(
            queries, self._split(keys), self._split(values), is_causal=True
        )
        return found.transpose(2, 3).reshape(len(query), self.channels, height, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, N, C) -> (B, heads, N, D)

    def start(self, batch_size: int, positions: int) -> CausalAttentionState:
        """Room for every key and value."""
        items, depth, mine = batch_size * self.heads, self.channels // self.heads, self.query.weight
        like = mine if mine.device.type == "cuda" else mine.float()
        return CausalAttentionState(
            like.new_zeros(items, depth, positions),
            like.new_zeros(items, positions, depth),
            Mixing.of(self.query.weight * depth**-0.5, self.query.bias * depth**-0.5, batch_size),
            Mixing.of(self.key_value.weight, self.key_value.bias, batch_size),
            mine.new_empty(batch_size, self.channels),
            mine.new_empty(batch_size, 2 * self.channels),
            like.new_empty(items, 1, depth),
        )

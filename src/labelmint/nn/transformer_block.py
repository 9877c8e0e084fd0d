"""A block of a decoder-only transformer, over a whole sequence or one position at a time.

    x <- x + W_o attention(LN(x)),    x <- x + W_d gelu(W_u LN(x) + b_u)

Heads stand in groups that share one key and one value (grouped-query attention). Keys and values are most of
what a step has to read: with a quarter of them 64 samples are drawn twice as fast. A group's queries, its key
and its value are projected side by side, so that a step reads them where they were written. As in GPT-2 the
normalization comes before each part, and the hidden layer is GELU: an operation less a step than SwiGLU. What
is added to x has no bias, so that the addition is part of the product.

References:
    Language Models are Unsupervised Multitask Learners (Radford et al., 2019)
    GQA: Training Generalized Multi-Query Transformer Models (Ainslie et al., 2023),
        https://arxiv.org/abs/2305.13245
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import Place
from labelmint.nn.packed import Product, product

__all__ = ["TransformerBlock", "TransformerBlockState"]


class TransformerBlockState(NamedTuple):
    """Keys (B * groups, D, N) and values (B * groups, N, D) so far, as the two products of a step read them,
    and the weights, copied in the order in which they are read. On a CPU keys and values are float32 whatever
    the weights are, as in `nn.attention`.
    """

    keys: Tensor
    values: Tensor
    groups: int
    before_attention: nn.LayerNorm
    before_hidden: nn.LayerNorm
    project: Product  # queries are scaled by 1 / sqrt(D)
    project_bias: Tensor
    mix: Product
    hidden: Product
    hidden_bias: Tensor
    out: Product

    def reset(self) -> None:
        """Forget: where all positions are read, those to come are weighed with 0, and once not a number would
        be never again one.
        """
        self.keys.zero_()
        self.values.zero_()

    def begin(self, x: Tensor, first: int) -> Tensor:
        """The first N_p positions at once, (b, N_p, C) -> the same, of b samples of which the first is number
        `first`.
        """
        batch, length, _ = x.shape
        flat = x.flatten(0, 1)
        projected = self.project(self.before_attention(flat), self.project_bias)
        found, keys, values = _attend(
            projected.view(batch, length, self.groups, -1, self.keys.shape[1]), scale=1.0
        )
        here = slice(first * self.groups, (first + batch) * self.groups)
        self.keys[here, :, :length].copy_(keys.flatten(0, 1).transpose(1, 2))
        self.values[here, :length].copy_(values.flatten(0, 1))
        return self._finish(flat, found.flatten(0, 1)).view_as(x)

    def step(self, x: Tensor, position: int | Place) -> Tensor:
        """(B, C) -> (B, C) at this position; positions come in order. A number reads only what has been seen;
        a `Place` reads all N positions and weighs those to come with 0.
        """
        projected = self.project(self.before_attention(x), self.project_bias).view(
            len(self.keys), -1, self.keys.shape[1]
        )
        queries, key, value = projected[:, :-2].to(self.keys.dtype), projected[:, -2], projected[:, -1]
        if isinstance(position, int):
            self.keys.select(2, position).copy_(key)
            self.values.select(1, position).copy_(value)
            weights = torch.bmm(queries, self.keys.narrow(2, 0, position + 1)).softmax(dim=2)
            found = torch.bmm(weights, self.values.narrow(1, 0, position + 1))
        else:
            self.keys.index_copy_(2, position.number, key.unsqueeze(2).to(self.keys.dtype))
            self.values.index_copy_(1, position.number, value.unsqueeze(1).to(self.values.dtype))
            weights = torch.baddbmm(position.hidden, queries, self.keys).softmax(dim=2)
            found = torch.bmm(weights, self.values)
        return self._finish(x, found.view(len(x), -1).to(x.dtype))

    def _finish(self, x: Tensor, found: Tensor) -> Tensor:
        x = self.mix(found, x)
        return self.out(functional.gelu(self.hidden(self.before_hidden(x), self.hidden_bias)), x)


class TransformerBlock(nn.Module):
    """(B, N, C) -> (B, N, C); position i sees positions up to and including i.

    Arguments:
        width: C.
        heads: how many, of C / heads channels each.
        groups: of heads; each has a key and a value.
        hidden: width of the hidden layer.
        dropout: of what is added to x.
    """

    def __init__(self, width: int, heads: int, groups: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.groups, self.depth = groups, width // heads
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, (heads + 2 * groups) * self.depth)
        self.mix = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once."""
        found, _, _ = _attend(
            self.project(self.before_attention(x)).unflatten(2, (self.groups, -1, self.depth))
        )
        x = x + self.dropout(self.mix(found))
        added: Tensor = self.dropout(self.out(functional.gelu(self.hidden(self.before_hidden(x)))))
        return x + added

    def start(self, batch_size: int, positions: int) -> TransformerBlockState:
        """Room for every key and value."""
        items, like = batch_size * self.groups, self.project.weight
        kept = like if like.device.type == "cuda" else like.float()
        scale = torch.ones_like(self.project.bias).view(self.groups, -1, self.depth)
        scale[:, :-2] = self.depth**-0.5
        return TransformerBlockState(
            kept.new_zeros(items, self.depth, positions),
            kept.new_zeros(items, positions, self.depth),
            self.groups,
            self.before_attention,
            self.before_hidden,
            product(self.project.weight.t() * scale.flatten(), batch_size),
            self.project.bias * scale.flatten(),
            product(self.mix.weight.t(), batch_size),
            product(self.hidden.weight.t(), batch_size),
            self.hidden.bias,
            product(self.out.weight.t(), batch_size),
        )


def _attend(projected: Tensor, scale: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """What each position finds at and before its own, (B, N, C), and keys and values (B, groups, N, D), given
    what was projected, (B, N, groups, heads / groups + 2, D).

    Keys are repeated: PyTorch's own grouped attention is three times slower, backward, on a CPU.
    """
    query, key, value = projected.permute(0, 2, 3, 1, 4).split([projected.shape[3] - 2, 1, 1], dim=2)
    queries, keys, values = (one.expand_as(query).flatten(1, 2) for one in (query, key, value))
    found = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scale)
    return found.transpose(1, 2).flatten(2), key[:, :, 0], value[:, :, 0]

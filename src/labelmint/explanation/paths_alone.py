"""What each path of a double-path VQ-VAE contributes (Figure 3 of the long MSGNet paper): reconstruction by
one path alone.

    x_both = D(a, n),    x_A = D(a, m_n),    x_N = D(m_a, n)

a and n are the quantized vectors of the attention path and of the convolution path. m is what "alone" gives
the decoder in place of the other path: at each place of the grid, the mean of that path's vectors over
training views. So the other path tells what all images have in common and nothing about this one. Zeros, the
other choice, are vectors that the decoder never met; both are measured, and x_0 = D(m_a, m_n) is what is
known with neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.explanation.held_out import Decode, Mean, batches_of, mean_of, squared_errors
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.tokenizers.quantizer import Quantizer
from labelmint.types import Array, Batch, LayoutBatch

__all__ = ["Alone", "Contributions", "contributions", "mean_vectors", "pictures_alone"]

Vectors = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Held-out MSE on [-1, 1] of one path, the other replaced by its mean vectors or by zeros."""

    path: str
    mean: Mean
    zeros: Mean


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """Held-out MSE on [-1, 1].

    Attributes:
        both: of the full reconstruction. alone: of each path. neither: of both paths' mean vectors.
        reference_views: training views that the mean vectors are means of.
    """

    both: Mean
    alone: tuple[Alone, ...]
    neither: Mean
    reference_views: int


def contributions(
    tokenizer: DualPathVQVAE,
    views: Pairs,
    tokens: Tensor,
    means: Vectors,
    reference_views: int,
    device: torch.device,
    seed: int,
) -> Contributions:
    """Errors of all reconstructions of held-out views from their tokens (N, 2h, w), with the `mean_vectors`
    of so many views.
    """

    def error(replacements: tuple[Tensor | None, Tensor | None]) -> Mean:
        return mean_of(squared_errors(views, tokens, _decode(tokenizer, replacements), device), views, seed)

    zeros = torch.zeros_like(means[0])
    return Contributions(
        both=error((None, None)),
        alone=(
            Alone(path=tokenizer.paths[0], mean=error((None, means[1])), zeros=error((None, zeros))),
            Alone(path=tokenizer.paths[1], mean=error((means[0], None)), zeros=error((zeros, None))),
        ),
        neither=error(means),
        reference_views=reference_views,
    )


@torch.no_grad()
def pictures_alone(tokenizer: DualPathVQVAE, batch: Batch, means: Vectors) -> dict[str, Array]:
    """Columns of Figure 3: what stands over each, and its images (B, H, W, C) uint8."""
    tokens = tokenizer.encode(batch)["image"]
    zeros = torch.zeros_like(means[0])
    columns: dict[str, tuple[Tensor | None, Tensor | None]] = {
        "both paths": (None, None),
        "attention path": (None, means[1]),
        "convolution path": (means[0], None),
        "attention, zeros": (None, zeros),
        "convolution, zeros": (zeros, None),
        "neither": means,
    }
    return {"image": EIGHT_BITS.from_unit(batch.image)} | {
        title: EIGHT_BITS.from_unit(_decode(tokenizer, replacements)(tokens, batch.layouts))
        for title, replacements in columns.items()
    }


def _decode(tokenizer: DualPathVQVAE, replacements: tuple[Tensor | None, Tensor | None]) -> Decode:
    """Decoding with the vectors of a path replaced by those given, (1, D, h, w); None leaves them."""

    def decode(tokens: Tensor, layouts: LayoutBatch) -> Tensor:
        kept = [
            own if other is None else other.expand_as(own)
            for own, other in zip(_vectors(tokenizer, tokens), replacements, strict=True)
        ]
        return tokenizer.image_of(*kept)

    return decode


def _vectors(tokenizer: DualPathVQVAE, tokens: Tensor) -> Vectors:
    """Quantized vectors (B, D, h, w) of both paths, of tokens (B, 2h, w)."""
    halves = tokens.chunk(2, dim=1)
    first, second = (
        cast(Quantizer, q).lookup(half) for q, half in zip(tokenizer.quantizers, halves, strict=True)
    )
    return first, second


@torch.no_grad()
def mean_vectors(tokenizer: DualPathVQVAE, views: Pairs, device: torch.device) -> Vectors:
    """Mean quantized vectors (1, D, h, w) of both paths, place by place."""
    sums = [torch.zeros(()), torch.zeros(())]
    for batch in batches_of(views, device):
        vectors = _vectors(tokenizer, tokenizer.encode(batch)["image"])
        sums = [
            total.to(device) + found.sum(0, keepdim=True) for total, found in zip(sums, vectors, strict=True)
        ]
    first, second = (total / len(views) for total in sums)
    return first, second

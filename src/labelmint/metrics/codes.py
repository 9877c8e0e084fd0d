"""How tokens use a codebook, and how much the tokens of one path tell about those of another.

    perplexity           2^H(Z),  H(Z) = -sum_k p_k log2 p_k over the shares p_k of the entries
    mutual information   I(A; B) = H(A) + H(B) - H(A, B) in bits, over pairs of tokens at the same place

Counted from finite data, I is too large: independent tokens seem to tell something of each other. And where
both paths' tokens depend on the place alone (a border, a background), both know the place. How much that
makes is found by shuffling the images of B, place by place: every place keeps its histogram, and what ties A
to B beyond it is untied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["CodeUse", "Shared", "code_use", "entropy", "mutual_information", "shared_bits"]


@dataclass(frozen=True, kw_only=True)
class CodeUse:
    """Use of a codebook.

    Attributes:
        entries: K. used: how many occur. perplexity: the effective number of entries, 1 to K.
        shares: of the K entries among the tokens, largest first.
    """

    entries: int
    used: int
    perplexity: float
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What two paths say twice, in bits a place.

    Attributes:
        entropies: H of either path's tokens. found: I(A; B) as counted. shuffled: mean of the same after
            shuffling images.
        net: found - shuffled, not below 0. share: net over the smaller entropy, 0 = nothing in common, 1 =
            one tells the other.
    """

    entropies: tuple[float, float]
    found: float
    shuffled: float
    net: float
    share: float


def code_use(tokens: Array, codebook_size: int) -> CodeUse:
    """Use of a codebook of K entries by tokens of any shape, integers in [0, K)."""
    if not tokens.size:
        raise InputError("the use of a codebook needs tokens, got none")
    counts = np.bincount(tokens.ravel(), minlength=codebook_size)
    if len(counts) > codebook_size:
        raise InputError(
            f"tokens of a codebook of {codebook_size} entries must lie below that, got {int(tokens.max())}"
        )
    return CodeUse(
        entries=codebook_size,
        used=int((counts > 0).sum()),
        perplexity=2 ** entropy(counts),
        shares=tuple(np.sort(counts / counts.sum())[::-1].tolist()),
    )


def entropy(counts: Array) -> float:
    """H in bits of a histogram of any shape."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def mutual_information(a: Array, b: Array) -> float:
    """I(A; B) in bits of two arrays of tokens of one shape, small integers from 0 on."""
    if a.shape != b.shape or not a.size:
        raise InputError(
            f"mutual information needs two arrays of tokens of one shape, got {a.shape} and {b.shape}"
        )
    first, second = a.ravel().astype(np.int64), b.ravel().astype(np.int64)
    joint = np.unique(first * (int(second.max()) + 1) + second, return_counts=True)[1]
    return entropy(np.bincount(first)) + entropy(np.bincount(second)) - entropy(joint)


def shared_bits(a: Array, b: Array, *, seed: int = 0, repeats: int = 5) -> Shared:
    """What tokens at the same place of the same image tell of each other, beside what those of different
    images seem to tell.

    Arguments:
        a, b: tokens (N, h, w) of two paths; one image alone can't be shuffled, and its net is 0.
        seed: of the shuffles. repeats: how many are averaged.
    """
    rng = np.random.default_rng(seed)
    found = mutual_information(a, b)
    shuffled = float(np.mean([mutual_information(a, rng.permuted(b, axis=0)) for _ in range(repeats)]))
    entropies = entropy(np.bincount(a.ravel())), entropy(np.bincount(b.ravel()))
    net, least = max(found - shuffled, 0.0), min(entropies)
    return Shared(
        entropies=entropies, found=found, shuffled=shuffled, net=net, share=net / least if least > 0 else 0.0
    )

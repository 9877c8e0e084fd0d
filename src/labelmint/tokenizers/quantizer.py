"""Vector quantization: every vector becomes its nearest codebook entry.

    i(z) = argmin_k || z - e_k ||,    q(z) = e_{i(z)},    straight-through: dq/dz = 1

Two ways to learn the codebook:

* "loss", as published by MSGNet: || sg(z) - e ||^2 as a loss on the codebook.
* "ema": each entry is the moving average of the vectors that chose it, N_k <- g N_k + (1 - g) n_k, m_k <- g
    m_k + (1 - g) sum z,
  e_k = m_k / N_k; entries that (almost) nothing chooses are revived at a random vector of the batch that
  stands apart from all entries. Without revival a quarter of a codebook of 256 stays in use.

Of entries that are as near, but for a ten-thousandth of an entry's length, the first is chosen. Where many
vectors are equal, as those of empty cells, entries come to be equal too, and which of them is nearest would
be up to the rounding of a batch: then the same layout has other tokens in training than alone, and a prior
learns nothing of use.

Both add the commitment term || z - sg(e) ||^2. The first batch that is seen in training (of one
in parts, its first part) lends the initial entries. The search goes through
the vectors in chunks, so that no table of all distances is ever built.

References:
    Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

__all__ = ["Quantized", "Quantizer"]

_SEARCH_BYTES = 16 << 20  # of distances at once; more is not faster
# of an entry's mean squared length: far above rounding, far below what lies between entries of use
_AS_NEAR = 1e-4


class Quantized(NamedTuple):
    """What a quantizer returns: vectors (B, D, h, w) with straight-through gradient, tokens (B, h, w), and
    its two losses.
    """

    vectors: Tensor
    tokens: Tensor
    commitment: Tensor
    codebook: Tensor


class Quantizer(nn.Module):
    """A codebook of K vectors of width D.

    Arguments:
        codebook_size: K.
        code_dim: D.
        update: "ema" or "loss", see above.
        decay: g of the moving average.
        revive_below: an entry whose moving count falls under this share of an even one is revived.

    Attributes:
        parts: forward passes in training that make up one batch: the moving averages see all of its vectors,
            after the last one.
    """

    counts: Tensor
    sums: Tensor
    ready: Tensor

    def __init__(
        self,
        codebook_size: int,
        code_dim: int,
        update: Literal["ema", "loss"] = "ema",
        decay: float = 0.98,
        revive_below: float = 0.03,
    ) -> None:
        super().__init__()
        self.update, self.decay, self.revive_below = update, decay, revive_below
        self.parts, self._seen = 1, list[tuple[Tensor, Tensor]]()
        self.codebook = nn.Parameter(
            torch.empty(codebook_size, code_dim).uniform_(-1 / codebook_size, 1 / codebook_size),
            requires_grad=update == "loss",
        )
        self.register_buffer("counts", torch.ones(codebook_size))
        self.register_buffer("sums", torch.zeros(codebook_size, code_dim))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D, h, w); in training mode the codebook moves too."""
        with torch.autocast(z.device.type, enabled=False):  # distances need full precision
            return self._quantize(z)

    def _quantize(self, z: Tensor) -> Quantized:
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]).float()
        if self.training and not bool(self.ready):
            self._initialize(flat.detach())
        tokens = self.nearest(flat)
        chosen = self.codebook[tokens]
        commitment = functional.mse_loss(flat, chosen.detach())
        codebook = (
            functional.mse_loss(chosen, flat.detach()) if self.update == "loss" else commitment.new_zeros(())
        )
        if self.training and self.update == "ema":
            self._seen.append((flat.detach(), tokens))
            if len(self._seen) >= self.parts:
                vectors_seen, tokens_seen = (
                    torch.cat(both) if len(both) > 1 else both[0] for both in zip(*self._seen, strict=True)
                )
                self._seen.clear()
                self._move(vectors_seen, tokens_seen)
        through = flat + (chosen - flat).detach()
        shape = (z.shape[0], z.shape[2], z.shape[3])
        vectors = through.reshape(*shape, -1).permute(0, 3, 1, 2)
        return Quantized(vectors, tokens.reshape(shape), commitment, codebook)

    @torch.no_grad()
    def nearest(self, flat: Tensor) -> Tensor:
        """Index of the nearest entry for each row of (N, D), the first of several; || z ||^2 is the same for
        all entries and left out.
        """
        lengths, turned = self.codebook.square().sum(1), self.codebook.t()
        rows = max(_SEARCH_BYTES // (lengths.element_size() * len(lengths)), 1)
        as_near = self._as_near()
        found = [_first(torch.addmm(lengths, chunk, turned, alpha=-2), as_near) for chunk in flat.split(rows)]
        return torch.cat(found) if len(found) > 1 else found[0]

    def _as_near(self) -> Tensor:
        """The difference of squared distances up to which entries count as equally near."""
        return _AS_NEAR * self.codebook.square().sum(1).mean()

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> their vectors (B, D, h, w)."""
        return self.codebook[tokens].permute(0, 3, 1, 2)

    @torch.no_grad()
    def _initialize(self, flat: Tensor) -> None:
        self.codebook.copy_(self._random_rows(flat))
        self.sums.copy_(self.codebook)
        self.ready.fill_(True)

    @torch.no_grad()
    def _move(self, flat: Tensor, tokens: Tensor) -> None:
        size = self.codebook.shape[0]
        count = torch.bincount(tokens, minlength=size).to(flat.dtype)
        total = torch.zeros_like(self.sums).index_add_(0, tokens, flat)
        if _distributed():
            distributed.all_reduce(count)
            distributed.all_reduce(total)
        self.counts.lerp_(count, 1 - self.decay)
        self.sums.lerp_(total, 1 - self.decay)
        self.codebook.copy_(self.sums / self.counts.clamp(min=1e-5)[:, None])
        dead = self.counts < self.revive_below * count.sum() / size
        if bool(dead.any()):
            fresh = self._random_rows(flat)
            apart = (fresh - self.codebook[self.nearest(fresh)]).square().sum(1) > self._as_near()
            again = dead & apart  # a second entry for what has one already would never be chosen
            even = count.sum() / size
            self.codebook[again] = fresh[again]
            self.counts[again] = even
            self.sums[again] = fresh[again] * even

    def _random_rows(self, flat: Tensor) -> Tensor:
        """K rows of (N, D) at random, the same in every process."""
        rows = flat[torch.randint(len(flat), (self.codebook.shape[0],), device=flat.device)]
        if _distributed():
            distributed.broadcast(rows, 0)
        return rows


def _first(distances: Tensor, as_near: Tensor) -> Tensor:
    """First index in each row of (N, K) whose value is at most `as_near` above the least of the row."""
    least = distances.amin(dim=1, keepdim=True) + as_near
    return (distances <= least).view(torch.uint8).argmax(dim=1)  # as numbers: there is no argmax of booleans


def _distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()

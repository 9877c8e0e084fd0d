"""The ways to quantize, behind one face: z (B, D, h, w) -> `Quantized`, tokens (B, h, w) -> vectors.

    "ema", "loss"   ours, see `tokenizers.quantizer`
    "fsq"           every entry of a short vector is rounded to a few levels; no codebook is learned (Mentzer
                    et al. 2023)
    "lfq"           the same with two levels, and an entropy term that keeps all codes in use (Yu et al. 2023)
    "simvq"         a frozen random codebook behind one learned linear map, so that all entries move together
                    (Zhu et al. 2024)
    "rotation"      moving averages, but the gradient is turned as its vector was when it was quantized (Fifty
                    et al. 2024)

The last four come from `vector-quantize-pytorch` (extra `codebooks`), for comparison. SimVQ weighs its
commitment itself, so both its terms are "codebook" here; LFQ's entropy term can be negative.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.tokenizers.quantizer import Quantized, Quantizer

__all__ = ["CodebookKind", "External", "codebook_of", "lookup", "see_in_parts"]

CodebookKind: TypeAlias = Literal["ema", "loss", "fsq", "lfq", "simvq", "rotation"]

_BITS = 3  # at most, a level of FSQ: 8 levels


def codebook_of(kind: CodebookKind, codebook_size: int, code_dim: int) -> nn.Module:
    """A quantizer of K = `codebook_size` codes of width D = `code_dim`."""
    if kind == "ema" or kind == "loss":
        return Quantizer(codebook_size, code_dim, update=kind)
    return External(kind, codebook_size, code_dim)


def lookup(quantizer: nn.Module, tokens: Tensor) -> Tensor:
    """Tokens (B, h, w) -> their vectors (B, D, h, w) in any of these."""
    return cast(Quantizer, quantizer).lookup(tokens)


def see_in_parts(module: nn.Module, parts: int) -> None:
    """Have the codebooks of a module that learn by moving averages see a batch whole, after its last part."""
    for each in module.modules():
        if isinstance(each, Quantizer | External):
            each.parts = parts


class External(nn.Module):
    """A quantizer of vector-quantize-pytorch.

    Raises InputError where the package is missing, and where K is no power of two but must be (FSQ, LFQ).
    """

    def __init__(
        self, kind: Literal["fsq", "lfq", "simvq", "rotation"], codebook_size: int, code_dim: int
    ) -> None:
        super().__init__()
        package, self.kind = _package(kind), kind
        self.parts, self._seen = 1, list[Tensor]()
        if kind in ("fsq", "lfq") and codebook_size & (codebook_size - 1):
            near = 1 << (codebook_size.bit_length() - 1)
            raise InputError(
                f"codebook={kind}: codebook_size={codebook_size} is no power of two; the nearest are {near} "
                f"and {2 * near}"
            )
        self.inner: nn.Module
        if kind == "fsq":
            self.inner = package.FSQ(levels=_levels(codebook_size), dim=code_dim)
        elif kind == "lfq":
            self.inner = package.LFQ(codebook_size=codebook_size, dim=code_dim)
        elif kind == "simvq":
            self.inner = package.SimVQ(dim=code_dim, codebook_size=codebook_size, channel_first=True)
        else:
            self.inner = package.VectorQuantize(
                dim=code_dim,
                codebook_size=codebook_size,
                decay=0.98,
                kmeans_init=True,
                kmeans_iters=1,
                threshold_ema_dead_code=1,
                rotation_trick=True,
                accept_image_fmap=True,
            )

    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D, h, w)."""
        with torch.autocast(z.device.type, enabled=False):
            if self.kind == "rotation" and self.training and self.parts > 1:
                vectors, tokens, *others = self.inner(z.float(), freeze_codebook=True)
                self._see(z.detach().float())
            else:
                vectors, tokens, *others = self.inner(z.float())
        loss = cast(Tensor, others[0]).float().sum() if others else vectors.new_zeros(())
        none = torch.zeros_like(loss)
        committed, learned = (loss, none) if self.kind == "rotation" else (none, loss)
        return Quantized(vectors, tokens.long(), committed, learned)

    @torch.no_grad()
    def _see(self, z: Tensor) -> None:
        """Move the averages by all parts of a batch, once the last one is there."""
        self._seen.append(z)
        if len(self._seen) >= self.parts:
            self.inner(torch.cat(self._seen))
            self._seen.clear()

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> their vectors (B, D, h, w)."""
        inner = cast(Any, self.inner)
        if self.kind == "rotation":
            return cast(Tensor, inner.codebook)[tokens].movedim(-1, 1)
        return cast(Tensor, inner.indices_to_codes(tokens))


def _levels(codebook_size: int) -> list[int]:
    """Powers of two whose product is K, as even as can be, at most 8."""
    bits = codebook_size.bit_length() - 1
    count = -(-bits // _BITS)
    return [1 << (bits * (i + 1) // count - bits * i // count) for i in range(count)]


def _package(kind: str) -> Any:
    try:
        return importlib.import_module("vector_quantize_pytorch")
    except ImportError:
        raise InputError(
            f"codebook={kind}: needs the package vector-quantize-pytorch; pip install "
            f"'labelmint[codebooks]', or take ema or loss"
        ) from None

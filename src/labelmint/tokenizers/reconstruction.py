"""What every tokenizer returns in training."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from labelmint.tokenizers.quantizer import Quantized

__all__ = ["Reconstruction"]


class Reconstruction(NamedTuple):
    """A batch of pairs as a tokenizer gives them back; a part that it does not have is None or empty.

    Attributes:
        image: (B, C, H, W).
        quantized: what each codebook of the image did, a codebook a path.
        logits: of the layout's symbols, (B, S, H, W).
        semantics: what each codebook of the layout did.
    """

    image: Tensor | None
    quantized: list[Quantized]
    logits: Tensor | None = None
    semantics: tuple[Quantized, ...] = ()

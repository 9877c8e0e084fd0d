"""What codebooks cost: || sg(z) - e ||^2 + beta || z - sg(e) ||^2, summed over the codebooks.

beta weighs the commitment term, as in the papers; VQGAN's public code has it on the other one unless told
otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmint.tokenizers.quantizer import Quantized

__all__ = ["codebook_loss"]


def codebook_loss(quantized: Sequence[Quantized], commitment: float) -> Tensor:
    """Scalar.

    Arguments:
        quantized: what each codebook did; at least one.
        commitment: beta.
    """
    return torch.stack([q.codebook + commitment * q.commitment for q in quantized]).sum()

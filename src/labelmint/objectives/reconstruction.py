"""The three-part loss of a VQ-VAE (Equation 1 of the long MSGNet paper).

    L = L_recon(x, D(e)) + L_codebook(e, E(x)) + beta L_commit(e, E(x))

L_recon is the mean squared error divided by the variance of the training pixels, as in the authors' code, so that beta and the
learning rate mean the same for dark and for bright data. The variance is that of the data set, not of the batch.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from labelmint.types import Batch

__all__ = ["vq_loss"]


def vq_loss(tokenizer: nn.Module, batch: Batch, variance: float, commitment: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss, and its terms: "mse" (on [-1, 1], undivided), "commitment" and "codebook" (sums over the codebooks).

    Arguments:
        tokenizer: a module that answers (reconstruction, list of Quantized) to images and their layouts.
        batch: images (B, C, H, W) in [-1, 1] and layouts.
        variance: of the training pixels on [-1, 1].
        commitment: beta.
    """
    reconstruction, quantized = tokenizer(batch.image, batch.layouts)
    mse = functional.mse_loss(reconstruction.float(), batch.image)
    committed = sum((q.commitment for q in quantized), start=mse.new_zeros(()))
    codebook = sum((q.codebook for q in quantized), start=mse.new_zeros(()))
    total = mse / variance + codebook + commitment * committed
    return total, {"mse": mse.detach(), "commitment": committed.detach(), "codebook": codebook.detach()}

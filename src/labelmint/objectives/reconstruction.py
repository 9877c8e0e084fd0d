"""The three-part loss of a VQ-VAE (Equation 1 of the long MSGNet paper).

    L = L_recon(x, D(e)) + L_codebook(e, E(x)) + beta L_commit(e, E(x))

L_recon is the mean squared error divided by the variance of the training pixels, as in the authors' code, so
that beta and the learning rate mean the same for dark and for bright data. The variance is that of the data
set, not of the batch. Where images of little and of much contrast stand in one data set (fluorescence beside
stained tissue), that leaves the former all but unseen: a `balance` b in [0, 1] divides the error of image x_i
by

    v_i = v^(1 - b) max(var(x_i), v_flat)^b,    v: variance of the data set,  v_flat: that of an image that
    shows nothing
"""

from __future__ import annotations

from torch import Tensor, nn

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.types import Batch

__all__ = ["contrast", "vq_loss"]

_FLAT = (4 / EIGHT_BITS.half) ** 2  # a deviation of 4 grey levels


def vq_loss(
    tokenizer: nn.Module, batch: Batch, variance: float, commitment: float, balance: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss, and its terms: "mse" (on [-1, 1], undivided), "commitment" and "codebook" (sums over the
    codebooks).

    Arguments:
        tokenizer: a module that answers (reconstruction, list of Quantized) to images and their layouts.
        batch: images (B, C, H, W) in [-1, 1] and layouts.
        variance: of the training pixels on [-1, 1].
        commitment: beta.
        balance: b; 0 is the paper's loss, 1 counts every image relative to its own contrast.
    """
    reconstruction, quantized = tokenizer(batch.image, batch.layouts)
    errors = (reconstruction.float() - batch.image).square().mean(dim=(1, 2, 3))
    relative = (errors / contrast(batch.image, variance, balance)).mean()
    committed = sum((q.commitment for q in quantized), start=errors.new_zeros(()))
    codebook = sum((q.codebook for q in quantized), start=errors.new_zeros(()))
    total = relative + codebook + commitment * committed
    return total, {
        "mse": errors.detach().mean(),
        "commitment": committed.detach(),
        "codebook": codebook.detach(),
    }


def contrast(image: Tensor, variance: float, balance: float) -> Tensor:
    """v_i of each image, (B,)."""
    of_each = image.var(dim=(1, 2, 3), unbiased=False).clamp_min(_FLAT)
    divisor: Tensor = variance ** (1 - balance) * of_each**balance
    return divisor

"""The patch adversary of VQGAN: hinge losses, and a weight that keeps the adversary as strong as the
reconstruction.

    L_D = ( mean max(0, 1 - D(x)) + mean max(0, 1 + D(x')) ) / 2,    L_G = -mean D(x')
    w   = clamp( |dL_rec / dW| / (|dL_G / dW| + 1e-4), 0, 1e4 ),     W: the last weights of the decoder

References:
    Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2021): Equation 7
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["adaptive_weight", "discriminator_loss", "generator_loss"]

_SMALLEST, _LARGEST = 1e-4, 1e4


def discriminator_loss(real: Tensor, found: Tensor) -> Tensor:
    """Scalar, of the verdicts on real and on found images, any shape."""
    return (functional.relu(1 - real.float()).mean() + functional.relu(1 + found.float()).mean()) / 2


def generator_loss(found: Tensor) -> Tensor:
    """Scalar, of the verdicts on found images."""
    return -found.float().mean()


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """w, a constant to gradients; both losses keep their graphs."""
    of_reconstruction, of_adversary = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].float().norm()
        for loss in (reconstruction, adversarial)
    )
    weight: Tensor = of_reconstruction / (of_adversary + _SMALLEST)
    return weight.clamp(0, _LARGEST).detach()

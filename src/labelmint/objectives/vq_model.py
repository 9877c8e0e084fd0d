"""The loss of a VQ-model, image, layout or both (Equation 3 of the sVQ paper).

    L_sVQ      = L_VQ(x) + lambda L_VQVAE(s)
    L_VQ(x)    = L_rec(x, x') + p d(x, x') + L_codebook(z_x),    and for a VQGAN the adversary's term,
               `objectives.adversarial`
    L_VQVAE(s) = cross-entropy(s, s') + L_codebook(z_s)

L_rec is |x - x'|^2 / v or |x - x'| / sqrt(v), v the variance of the training pixels (or closer to each
image's own, as `objectives.reconstruction` has it), so that the weights mean the same for dark and for bright
data. d is a perceptual distance, or its stand-in. A model without an image has the second part alone, one
without a layout the first, and lambda counts only where there are both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import Tensor

from labelmint.objectives.codebook import codebook_loss
from labelmint.objectives.reconstruction import contrast
from labelmint.objectives.semantic import semantic_loss
from labelmint.tokenizers.levels import Reconstruction
from labelmint.types import Batch

__all__ = ["Distance", "VQModelLoss", "vq_model_loss"]

_POWERS = {"squared": 2, "absolute": 1}
Distance = Callable[[Tensor, Tensor], Tensor]


class VQModelLoss(NamedTuple):
    """The loss in two parts, and its terms as figures.

    Attributes:
        fidelity: L_rec + p d, against which the adversary is weighed; 0 without an image.
        others: codebooks and semantics.
        terms: "error", "distance", "codebook", "nats", "semantic_codebook", those that there are.
    """

    fidelity: Tensor
    others: Tensor
    terms: dict[str, Tensor]


def vq_model_loss(
    found: Reconstruction,
    batch: Batch,
    *,
    variance: float,
    commitment: float,
    balance: float = 0.0,
    error: Literal["squared", "absolute"] = "squared",
    distance: tuple[float, Distance] | None = None,
    semantic_weight: float = 0.1,
) -> VQModelLoss:
    """The loss of what a tokenizer answered to a batch.

    Arguments:
        found: its answer.
        batch: images in [-1, 1] and layouts.
        variance: v.
        commitment: beta.
        balance: how much images count relative to their own contrast.
        error: which L_rec.
        distance: p and d, or None.
        semantic_weight: lambda.
    """
    fidelity = others = batch.image.new_zeros(())
    terms: dict[str, Tensor] = {}
    if found.image is not None:
        differing, power = (found.image.float() - batch.image).abs(), _POWERS[error]
        terms["error"] = (
            differing.pow(power).mean(dim=(1, 2, 3)) / contrast(batch.image, variance, balance) ** (power / 2)
        ).mean()
        terms["codebook"] = codebook_loss(found.quantized, commitment)
        fidelity, others = terms["error"], terms["codebook"]
        if distance is not None:
            weight, measure = distance
            terms["distance"] = measure(found.image, batch.image)
            fidelity = fidelity + weight * terms["distance"]
    if found.logits is not None:
        terms["nats"] = semantic_loss(found.logits, batch.layouts.ids)
        terms["semantic_codebook"] = codebook_loss(found.semantics, commitment)
        weight = 1.0 if found.image is None else semantic_weight
        others = others + weight * (terms["nats"] + terms["semantic_codebook"])
    return VQModelLoss(fidelity, others, {name: term.detach() for name, term in terms.items()})

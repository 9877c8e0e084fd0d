"""The loss of a VQ-model, image, layout or both (Equation 3 of the sVQ paper).

    L_sVQ      = L_VQ(x) + lambda L_VQVAE(s)
    L_VQ(x)    = L_rec(x, x') + p d(x, x') + L_codebook(z_x),    and for a VQGAN the adversary's term,
               `objectives.adversarial`
    L_VQVAE(s) = cross-entropy(s, s') + L_codebook(z_s)

L_rec is |x - x'|^2 / v or |x - x'| / sqrt(v), v the variance of the training pixels (or closer to each
image's own, as `objectives.contrast` has it), so that the weights mean the same for dark and for bright
data. d is a perceptual distance, or its stand-in. A model without an image has the second part alone, one
without a layout the first, and lambda counts only where there are both.

Equation 1 of the long MSGNet paper is the case of an image alone with L_rec = |x - x'|^2 / v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.objectives.codebook import codebook_loss
from labelmint.objectives.contrast import contrast
from labelmint.objectives.objective import Loss, rows_at_once
from labelmint.objectives.perceptual import perceptual_distance
from labelmint.objectives.semantic import semantic_loss
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch

__all__ = ["Distance", "VQObjective", "vq_model_loss"]

_POWERS = {"squared": 2, "absolute": 1}
_AT_ONCE = 32  # held-out pairs
Distance = Callable[[Tensor, Tensor], Tensor]


class VQObjective:
    """Objective of a tokenizer that learns its codebooks: it returns a `Reconstruction` of images and layouts.

    Arguments:
        commitment: beta.
        balance: how much images count relative to their own contrast, in [0, 1].
        error: which L_rec.
        distance: p, the weight of a perceptual distance; 0 leaves it out.
        vgg: what the distance is of, as `objectives.perceptual.perceptual_distance` has it.
        semantic_weight: lambda.
    """

    def __init__(
        self,
        *,
        commitment: float,
        balance: float = 0.0,
        error: Literal["squared", "absolute"] = "squared",
        distance: float = 0.0,
        vgg: str = "",
        semantic_weight: float = 0.1,
    ) -> None:
        self.commitment, self.balance, self.error = commitment, balance, error
        self.weight, self.vgg, self.semantic_weight = distance, vgg, semantic_weight
        self.variance = 1.0
        self._distance: Distance | None = None

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Take v from the training pairs."""
        self.variance = pairs.variance

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The loss of what the network gives back of a batch."""
        found = Reconstruction(*network(batch.image, batch.layouts))
        return vq_model_loss(
            found,
            batch,
            variance=self.variance,
            commitment=self.commitment,
            balance=self.balance,
            error=self.error,
            distance=(self.weight, self._measure(batch.image.device)) if self.weight else None,
            semantic_weight=self.semantic_weight,
        )

    def _measure(self, device: torch.device) -> Distance:
        if self._distance is None:
            self._distance = perceptual_distance(self.vgg, device)
        return self._distance

    @torch.no_grad()
    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """Figures on pairs: "held_out_mse" on [-1, 1], "held_out_misread", the share of a layout's pixels that come
        back as another class, and "codes_used", a share; those that the tokenizer has.

        Ignored pixels are a symbol like others: layouts are drawn with theirs.
        """
        tokenizer, read = cast(Tokenizer, module), cast(LayoutTokenizer, module)
        totals = dict.fromkeys(("mse", "pixels", "misread", "labels"), 0.0)
        tokens: list[dict[str, Tensor]] = []
        count = min(len(pairs), at_most or len(pairs))
        step = rows_at_once(_AT_ONCE, pairs.geometry.size)
        for first in range(0, count, step):
            batch = pairs.fixed(first, min(step, count - first)).to(device)
            tokens.append(tokenizer.encode(batch))
            if tokens[-1].keys() != {"semantics"}:
                decoded = tokenizer.decode(tokens[-1], batch.layouts)
                totals["mse"] += float((decoded - batch.image).square().sum())
                totals["pixels"] += batch.image.numel()
            if "semantics" in tokens[-1]:
                misread = read.decode_layouts(tokens[-1]["semantics"]) != batch.layouts.ids
                totals["misread"] += int(misread.sum())
                totals["labels"] += misread.numel()
        shares = {"mse": "pixels", "misread": "labels"}
        figures = {f"held_out_{name}": totals[name] / totals[of] for name, of in shares.items() if totals[of]}
        return {**figures, "codes_used": _codes_used(module, tokens)}


def _codes_used(module: nn.Module, tokens: list[dict[str, Tensor]]) -> float:
    """Share of the entries that some tokens use, the mean over all codebooks; each path of an image has its own."""
    shares = []
    for stream in cast(Tokenizer, module).streams:
        every = torch.cat([some[stream.name] for some in tokens])
        books = len(getattr(module, "paths", ("",))) if stream.name == "image" else 1
        shares += [len(each.unique()) / stream.codebook_size for each in every.chunk(books, dim=1)]
    return sum(shares) / len(shares)


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
) -> Loss:
    """The loss of what a tokenizer gives back of a batch.

    Arguments:
        found: what it gives back. batch: images in [-1, 1] and layouts.
        variance: v. distance: p and d, or None. The others are those of `VQObjective`.

    Its terms are "error", "distance", "codebook", "nats", "semantic_codebook", those that there are; its fidelity
    is L_rec + p d.
    """
    fidelity = others = batch.image.new_zeros(())
    terms: dict[str, Tensor] = {}
    if found.image is not None:
        differing, power = (found.image.float() - batch.image).abs(), _POWERS[error]
        of_each = differing.pow(power).mean(dim=(1, 2, 3))
        terms["error"] = (of_each / contrast(batch.image, variance, balance) ** (power / 2)).mean()
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
    return Loss(fidelity, others, {name: term.detach() for name, term in terms.items()}, found.image)

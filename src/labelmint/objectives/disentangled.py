"""The objective of a generator with a code for the foreground and one for the background, each of which is to change
nothing on the other's side.

    L = c |x - x'| + p d(x, x') + k (KL_f + KL_b) + w (L_out + L_in),    x' = G(s, z_f, z_b)
    L_out = mean over pixels outside all boxes of |G(s, z_f', z_b) - x'|                              (1)
    L_in  = sum of a |G(s, z_f, z_b') - x'| / sum of a                                                (2)

Both are over the quarter of the items whose z_f and z_b are of chance, and whose z_f' and z_b' are those of the real
image, which gives no gradient back to what was drawn of these two. a is the matte of `generators.apart`: how much of a
pixel is foreground, a constant here. KL_f is a mean over objects, KL_b over items, each above its free nats. Items with
codes of chance need not look like the real image and are left to the adversary, so that a foreground and a background
that never stood together look as if they did.
(1) and (2) are ours; the report asks for such a loss and defines none.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (a report, 2020): Section 4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from labelmint.generators.apart import Redrawn
from labelmint.generators.network import draw_noise
from labelmint.objectives.likeness import LikenessObjective, kl_divergence
from labelmint.objectives.objective import Loss
from labelmint.protocols import Noise
from labelmint.types import Batch

__all__ = ["DisentangledObjective", "changed"]


class DisentangledObjective(LikenessObjective):
    """Objective of an `ApartGenerator`.

    Arguments:
        noise: what the network takes.
        absolute: c. perceptual: p. vgg: as in `LikenessObjective`. kl: k.
        free: nats of each KL that cost nothing.
        apart: w.
    """

    def __init__(
        self,
        noise: Noise,
        *,
        absolute: float,
        perceptual: float,
        vgg: str,
        kl: float,
        free: float,
        apart: float,
    ) -> None:
        super().__init__(noise, absolute=absolute, perceptual=perceptual, vgg=vgg, kl=kl, free=free)
        self.apart = apart

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The weighted losses, and the images that have them; without gradients no distance is measured."""
        noise, drawn = (draw_noise(self.noise, len(batch), batch.image.device) for _ in range(2))
        found: Redrawn = network(batch.layouts, noise, {}, batch.image, drawn)
        alike = len(batch) - found.chance
        made, real = found.image[:alike].float(), batch.image[:alike]
        terms = {"error": (made - real).abs().mean()}
        fidelity = self.absolute * terms["error"]
        if self.perceptual and torch.is_grad_enabled():
            terms["distance"] = self._measured(real.device)(made, real)
            fidelity = fidelity + self.perceptual * terms["distance"]
        terms["kl_foreground"] = (
            kl_divergence(*found.objects) if len(found.objects[0]) else made.new_zeros(())
        )
        terms["kl_background"] = kl_divergence(*found.background)
        terms["outside"] = changed(found.foreground_anew, found.before, found.outside)
        terms["inside"] = changed(found.background_anew, found.before, found.matte.detach())
        divergence = sum(terms[key].clamp(min=self.free) for key in ("kl_foreground", "kl_background"))
        others = self.kl * divergence + self.apart * (terms["outside"] + terms["inside"])
        told = {name: term.detach() for name, term in terms.items()}
        return Loss(fidelity, others, told, found.image, found.chance)


def changed(anew: Tensor, image: Tensor, where: Tensor) -> Tensor:
    """The mean absolute difference of images (B, C, H, W), weighed by `where` (B, 1, H, W); 0 where that is 0."""
    apart = (anew.float() - image.float()).abs().mean(dim=1, keepdim=True)
    return (apart * where).sum() / where.sum().clamp(min=1)

"""The objective of BicycleGAN's generator and encoder, but for the adversaries that judge both of its images.

    L = c |x - G(s, z)| + k KL(q(z|x), N(0, I)) + l |z' - mu(G(s, z'))|,    z ~ q(z|x),  z' ~ N(0, I)

mu is that of the encoder, which stands still there: the last term moves the generator alone (`generators.bicycle`).
Where each object has a code (`generators.object_fusion`), KL and the last term are means over objects.

References:
    Toward Multimodal Image-to-Image Translation (Zhu et al., 2017), https://arxiv.org/abs/1711.11586: Equations 2,
    5, 7 and 9
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelmint.generators.network import draw_noise
from labelmint.objectives.likeness import LikenessObjective, kl_divergence
from labelmint.objectives.objective import Loss
from labelmint.protocols import Noise
from labelmint.types import Batch

__all__ = ["CyclesObjective"]


class CyclesObjective(LikenessObjective):
    """Objective of a network that returns `generators.bicycle.Cycles` where it is given images.

    Arguments:
        noise: what the network takes. absolute: c. kl: k. latent: l.
    """

    def __init__(self, noise: Noise, *, absolute: float, kl: float, latent: float) -> None:
        super().__init__(noise, absolute=absolute, kl=kl)
        self.latent = latent

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        """The weighted errors, and the images of both cycles side by side."""
        noise, drawn = (draw_noise(self.noise, len(batch), batch.image.device) for _ in range(2))
        found = network(batch.layouts, noise, {}, batch.image, drawn)
        first = found.image[:, : batch.image.shape[1]]
        terms = {
            "error": (first.float() - batch.image).abs().mean(),
            "kl": kl_divergence(found.mean, found.log_variance),
            "latent": (found.again.float() - found.drawn).abs().mean(),
        }
        others = self.kl * terms["kl"] + self.latent * terms["latent"]
        told = {name: term.detach() for name, term in terms.items()}
        return Loss(self.absolute * terms["error"], others, told, found.image)

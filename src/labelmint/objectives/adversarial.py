"""Losses of adversaries, of the verdicts D on real images x and on found images x', and a weight that keeps
the adversary of VQGAN as strong as the reconstruction.

    hinge           L_D = ( mean max(0, 1 - D(x)) + mean max(0, 1 + D(x')) ) / 2,    L_G = -mean D(x')
    vanilla         L_D = ( mean log(1 + e^-D(x)) + mean log(1 + e^D(x')) ) / 2,     L_G = mean log(1 + e^-D(x'))
    least squares   L_D = ( mean (D(x) - 1)^2 + mean D(x')^2 ) / 2,                  L_G = mean (D(x') - 1)^2
    Wasserstein     L_D = mean D(x') - mean D(x),                                    L_G = -mean D(x')

    with classes    vanilla of the first column of the verdicts, minus the second, log p(class), of real images in L_D,
                    halved, too, and of found ones in L_G

    w = clamp( |dL_rec / dW| / (|dL_G / dW| + 1e-4), 0, 1e4 ),     W: the last weights of the decoder

The vanilla loss is the binary cross-entropy of verdicts as logits; its L_G makes found images likely real
instead of unlikely found, which has a gradient where D is sure. The first three halve L_D, as VQGAN, pix2pix and
pix2pixHD do; the Wasserstein loss needs a penalty on gradients (`objectives.penalties`).

A discriminator of several sizes has verdicts of each, and each size counts alike. Feature matching wants its maps alike
on found images and on the real ones of their layouts:

    L_FM = 1 / sizes  sum over sizes  1 / maps  sum over maps  mean |D_l(x) - D_l(x')|

References:
    Generative Adversarial Networks (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661: vanilla
    Least Squares Generative Adversarial Networks (Mao et al., 2017), https://arxiv.org/abs/1611.04076
    Geometric GAN (Lim & Ye, 2017), https://arxiv.org/abs/1705.02894: hinge
    Wasserstein Generative Adversarial Networks (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Equation 4
    Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2021),
    https://arxiv.org/abs/2012.09841: Equation 7
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "GAN_LOSSES",
    "HINGE",
    "LEAST_SQUARES",
    "VANILLA",
    "WASSERSTEIN",
    "WITH_CLASSES",
    "GanLoss",
    "GanLossName",
    "adaptive_weight",
    "discriminator_loss",
    "feature_matching",
    "generator_loss",
]

GanLossName: TypeAlias = Literal["hinge", "vanilla", "least_squares", "wasserstein"]

_SMALLEST, _LARGEST = 1e-4, 1e4


@dataclass(frozen=True)
class GanLoss:
    """What a discriminator and a generator minimize against each other; scalars of verdicts of any shape.

    Arguments:
        name: as settings have it, where they do.
        discriminator: L_D of the verdicts on real and on found images.
        generator: L_G of the verdicts on found images.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def discriminator_loss(real: Tensor, found: Tensor) -> Tensor:
    """L_D of the hinge loss, a scalar, of the verdicts on real and on found images, any shape."""
    return (functional.relu(1 - real.float()).mean() + functional.relu(1 + found.float()).mean()) / 2


def generator_loss(found: Tensor) -> Tensor:
    """L_G of the hinge loss, a scalar, of the verdicts on found images."""
    return -found.float().mean()


def _vanilla_discriminator(real: Tensor, found: Tensor) -> Tensor:
    return (_vanilla_generator(real) + functional.softplus(found.float()).mean()) / 2


def _vanilla_generator(found: Tensor) -> Tensor:
    return functional.softplus(-found.float()).mean()


def _squared_discriminator(real: Tensor, found: Tensor) -> Tensor:
    return (_squared_generator(real) + found.float().square().mean()) / 2


def _squared_generator(found: Tensor) -> Tensor:
    return (found.float() - 1).square().mean()


def _critic(real: Tensor, found: Tensor) -> Tensor:
    return found.float().mean() - real.float().mean()


def _likely(verdicts: Tensor) -> tuple[Tensor, Tensor]:
    """The verdicts, and how likely classes are; 0 where there is no second column."""
    return verdicts[:, :1], verdicts[:, 1:].float().sum(dim=1).mean()


def _telling_discriminator(real: Tensor, found: Tensor) -> Tensor:
    verdicts, likely = _likely(real)
    return _vanilla_discriminator(verdicts, found[:, :1]) - likely / 2


def _told_generator(found: Tensor) -> Tensor:
    verdicts, likely = _likely(found)
    return _vanilla_generator(verdicts) - likely


HINGE = GanLoss("hinge", discriminator_loss, generator_loss)
VANILLA = GanLoss("vanilla", _vanilla_discriminator, _vanilla_generator)
LEAST_SQUARES = GanLoss("least_squares", _squared_discriminator, _squared_generator)
WITH_CLASSES = GanLoss("with classes", _telling_discriminator, _told_generator)
WASSERSTEIN = GanLoss("wasserstein", _critic, generator_loss)

GAN_LOSSES: Mapping[GanLossName, GanLoss] = {
    "hinge": HINGE,
    "vanilla": VANILLA,
    "least_squares": LEAST_SQUARES,
    "wasserstein": WASSERSTEIN,
}


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """w, a constant to gradients; both losses keep their graphs."""
    of_reconstruction, of_adversary = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].float().norm()
        for loss in (reconstruction, adversarial)
    )
    weight: Tensor = of_reconstruction / (of_adversary + _SMALLEST)
    return weight.clamp(0, _LARGEST).detach()


def feature_matching(real: Sequence[Sequence[Tensor]], found: Sequence[Sequence[Tensor]]) -> Tensor:
    """L_FM, a scalar, of the maps of a discriminator, for each size those of its layers and the verdicts last, which do
    not count. Real ones are constants.
    """
    sizes = [
        torch.stack(
            [(x.detach().float() - y.float()).abs().mean() for x, y in zip(a[:-1], b[:-1], strict=True)]
        )
        for a, b in zip(real, found, strict=True)
    ]
    return torch.stack([maps.mean() for maps in sizes]).mean()

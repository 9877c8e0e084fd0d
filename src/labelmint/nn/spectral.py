"""Spectral norm of a whole network: each convolution, linear layer and embedding is divided by its largest singular
value, which one step of power iteration a forward pass follows in training.

References:
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["with_spectral_norm"]

_Module = TypeVar("_Module", bound=nn.Module)


def with_spectral_norm(network: _Module) -> _Module:
    """Return the network, each of its layers divided, in place; draw its first weights before."""
    for module in [*network.modules()]:
        # Where shapes alone are asked for, nothing is divided: power iteration takes seconds there, too.
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding) and not module.weight.is_meta:
            spectral_norm(module)
    return network

"""Weights of the first step, where a paper draws them otherwise than torch does.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016),
    https://arxiv.org/abs/1511.06434: N(0, 0.02), which pix2pix and its successors took over
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

__all__ = ["begin_normal"]

_Module = TypeVar("_Module", bound=nn.Module)

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.InstanceNorm2d, nn.GroupNorm, nn.BatchNorm2d)


def begin_normal(network: _Module, deviation: float = 0.02) -> _Module:
    """Return the network with weights drawn anew from torch's generator, in place.

    Convolutions and linear layers have weights N(0, deviation), norms scales N(1, deviation); biases are 0.
    Embeddings keep theirs: they stand for pixels, whose values are of the order of 1.
    """
    for module in network.modules():
        if isinstance(module, (*_CONVOLUTIONS, *_NORMS)):
            mean = 1.0 if isinstance(module, _NORMS) else 0.0
            if isinstance(module.weight, Tensor):  # a norm may have none
                nn.init.normal_(module.weight, mean, deviation)
            if isinstance(module.bias, Tensor):
                nn.init.zeros_(module.bias)
    return network

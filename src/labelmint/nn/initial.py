"""Weights of the first step, where a paper draws them otherwise than torch does.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016),
    https://arxiv.org/abs/1511.06434: N(0, 0.02), which pix2pix and its successors took over
    Understanding the difficulty of training deep feedforward neural networks (Glorot & Bengio, 2010)
    Exact solutions to the nonlinear dynamics of learning in deep linear neural networks (Saxe et al., 2014)
    Language Models are Unsupervised Multitask Learners (Radford et al., 2019): GPT-2
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from labelmint.nn.transformer_block import TransformerBlock

__all__ = ["begin_as_gpt2", "begin_normal", "begin_orthogonal", "begin_xavier"]

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
            weight = _weight_of(module)
            if weight is not None:
                nn.init.normal_(weight, mean, deviation)
            if isinstance(module.bias, Tensor):
                nn.init.zeros_(module.bias)
    return network


def begin_xavier(network: _Module, gain: float = 0.02) -> _Module:
    """Return the network with weights drawn anew from torch's generator, in place: convolutions and linear layers have
    N(0, gain^2 2 / (inputs + outputs)), as SPADE does; biases are 0, embeddings keep theirs.
    """
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            weight = _weight_of(module)
            assert weight is not None
            nn.init.xavier_normal_(weight, gain)
            if isinstance(module.bias, Tensor):
                nn.init.zeros_(module.bias)
    return network


def begin_orthogonal(network: _Module) -> _Module:
    """Return the network with weights drawn anew from torch's generator, in place: convolutions, linear layers and
    embeddings have orthogonal rows, or columns, as BigGAN does; biases are 0.
    """
    for module in network.modules():
        if isinstance(module, (*_CONVOLUTIONS, nn.Embedding)):
            weight = _weight_of(module)
            assert weight is not None
            nn.init.orthogonal_(weight)
            if isinstance(getattr(module, "bias", None), Tensor):
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return network


@torch.no_grad()
def begin_as_gpt2(network: _Module, width: int) -> _Module:
    """Return the network with weights drawn anew from torch's generator, in place: linear layers and embeddings have
    N(0, 0.02 sqrt(1024 / width)), GPT-2's deviation at its width of 1024; biases are 0. What the n blocks add to x is
    divided by sqrt(2 n): the more is added, the smaller.

    Arguments:
        width: channels of x.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.normal_(std=0.02 * (1024 / width) ** 0.5)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
    blocks = [module for module in network.modules() if isinstance(module, TransformerBlock)]
    for block in blocks:
        for weight in (block.mix.weight, block.out.weight):
            weight.mul_((2 * len(blocks)) ** -0.5)
    return network


def _weight_of(module: nn.Module) -> Tensor | None:
    """What is learned of a weight, below its spectral norm; a norm may have none."""
    owner = getattr(module, "parametrizations", None)
    return owner.weight.original if owner is not None else module.weight  # type: ignore[return-value]

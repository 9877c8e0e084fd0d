"""Spectral normalization: weights divided by their largest singular value, as torch has it, with a cheaper way back.

    y = W / s,    s = u' W v,    dL/dW = (g - <g, y> u v') / s                                            (1)

u and v come from one power iteration a pass in training, and are constants. Torch's own gradient takes nine passes over
the weights, (1) by hand three: of a published SPADE on a CPU an eighth of the step.

References:
    Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

__all__ = ["spectral_norm", "standing_still", "with_spectral_norm"]

_Module = TypeVar("_Module", bound=nn.Module)


def spectral_norm(layer: _Module) -> _Module:
    """Return the layer with its weight divided, in place: what `torch.nn.utils.parametrizations.spectral_norm` does,
    with the same random numbers, values and names of what is stored. A layer on the device `meta`, where shapes alone
    are asked for, is returned as it is: power iteration takes seconds there, too.
    """
    if layer.weight.is_meta:
        return layer
    parametrize.register_parametrization(layer, "weight", _Divided(cast(Tensor, layer.weight)))
    return layer


def with_spectral_norm(network: _Module) -> _Module:
    """Return the network, each of its convolutions, linear layers and embeddings divided, in place; draw its first
    weights before.
    """
    for module in [*network.modules()]:
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(module)
    return network


@contextmanager
def standing_still(network: nn.Module) -> Iterator[None]:
    """A block in which passes in training leave u and v as they are."""
    divided = [each for each in network.modules() if isinstance(each, _Divided)]
    before = [each.n_power_iterations for each in divided]
    for each in divided:
        each.n_power_iterations = 0
    try:
        yield
    finally:
        for each, count in zip(divided, before, strict=True):
            each.n_power_iterations = count


class _Divided(_SpectralNorm):
    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            self._power_method(weight.flatten(1), self.n_power_iterations)
        divided: Tensor = cast(Any, _Division).apply(weight, self._u.clone(), self._v.clone())
        return divided


class _Division(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
        largest = torch.vdot(u, torch.mv(weight.flatten(1), v))
        divided = weight / largest
        context.save_for_backward(weight, u, v, largest)
        return divided

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        weight, u, v, largest = context.saved_tensors
        along = torch.dot(gradient.flatten(), weight.flatten()) / largest
        beside = torch.outer(u * (-along / largest), v)
        return beside.view_as(gradient).addcdiv_(gradient, largest), None, None

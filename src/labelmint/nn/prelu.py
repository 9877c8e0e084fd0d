"""PReLU (He et al., 2015) with one weight, whose way back is fast on a CPU.

    y = x where x > 0, else w x
    dx = g where x > 0, else w g        dw = sum over {x <= 0} of g x        g: the gradient of y

PyTorch writes both terms of each number at once, number by number, and sums the second in the precision of x; this
is one product and one sum, in at least float32.

References:
    Delving deep into rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PReLU", "with_fast_prelu"]


class PReLU(nn.PReLU):
    """`torch.nn.PReLU`, with its name and shape in a state dict; several weights, and other devices, go PyTorch's
    way.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same."""
        if self.num_parameters > 1 or input.device.type != "cpu":
            return super().forward(input)
        y: Tensor = cast(Any, _OneWeight).apply(input, self.weight)
        return y


def with_fast_prelu(network: nn.Module) -> nn.Module:
    """The network, in which each `nn.PReLU` was exchanged for a `PReLU` with the same weights."""
    for module in [*network.modules()]:
        for name, child in module.named_children():
            if type(child) is nn.PReLU:
                exchanged = PReLU(child.num_parameters)
                exchanged.weight = child.weight
                setattr(module, name, exchanged)
    return network


class _OneWeight(torch.autograd.Function):
    """The equations of the module."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(x, weight)
        context.slope = weight.to(x.dtype).item()  # as PyTorch rounds it under autocast
        return functional.leaky_relu(x, context.slope)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (g,), (x, weight) = gradients, context.saved_tensors
        exact = torch.promote_types(x.dtype, torch.float32)
        dw = (g * x.clamp(max=0)).sum(dtype=exact).to(weight.dtype).view_as(weight)
        if torch.is_grad_enabled():  # a gradient of this gradient is asked for
            return torch.where(x > 0, g, g * weight.to(g.dtype)), dw
        return torch.ops.aten.leaky_relu_backward(g, x, context.slope, False), dw

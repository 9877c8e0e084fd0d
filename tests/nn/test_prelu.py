"""The fast PReLU is PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from labelmint.nn.prelu import PReLU, with_fast_prelu


def both(count: int = 1, slope: float = 0.3) -> tuple[nn.PReLU, PReLU]:
    return nn.PReLU(count, slope), PReLU(count, slope)


def given(dtype: torch.dtype = torch.float32, last: bool = True) -> Tensor:
    """Numbers of both signs, and zeros."""
    x = torch.randn(3, 4, 5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[:, :, 2] = 0
    return x.to(memory_format=torch.channels_last) if last else x


def gradients(layer: nn.Module, x: Tensor, g: Tensor, bfloat16: bool) -> tuple[Tensor, Tensor, Tensor]:
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        y = layer(x)
    dx, dw = torch.autograd.grad(y, [x, *layer.parameters()], g)
    return y.detach(), dx, dw


@pytest.mark.parametrize("slope", [0.3, 0.0, -0.7, 1.4])
@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_values_and_gradients_are_those_of_torch(last: bool, bfloat16: bool, slope: float) -> None:
    x = given(torch.bfloat16 if bfloat16 else torch.float32, last)
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(x.dtype)  # of another layout
    torchs, ours = both(slope=slope)
    (y, dx, dw), (wanted_y, wanted_dx, wanted_dw) = (
        gradients(ours, x, g, bfloat16),
        gradients(torchs, x, g, bfloat16),
    )
    assert y.dtype == x.dtype
    assert torch.equal(y, wanted_y)
    assert torch.equal(dx, wanted_dx)
    products = (g.double() * x.double().clamp(max=0)).flatten()
    rounding = float(products.norm()) * 2**-8 if bfloat16 else 1e-5  # of each product
    assert float(dw) == pytest.approx(float(products.sum()), rel=1e-6, abs=rounding)
    assert dw.dtype == torch.float32
    if not bfloat16:
        assert torch.allclose(dw, wanted_dw, rtol=1e-6, atol=1e-5)


def test_several_weights_are_those_of_torch() -> None:
    torchs, ours = both(4)
    x, g = given(), given().flip(0)
    for mine, wanted in zip(gradients(ours, x, g, False), gradients(torchs, x, g, False), strict=True):
        assert torch.equal(mine, wanted)


def test_gradients_of_gradients_are_right() -> None:
    layer = PReLU(1, 0.3).double()
    x = given(torch.float64)[:1, :2].add(0.1).requires_grad_()
    weight = next(layer.parameters())

    def read(x: Tensor, weight: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, {"weight": weight}, x)
        return y**2

    assert torch.autograd.gradcheck(read, (x, weight))
    assert torch.autograd.gradgradcheck(read, (x, weight))


def test_an_exchanged_network_keeps_its_names_and_its_numbers() -> None:
    """Layers of several weights and those that were exchanged before stay right."""
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.PReLU(), nn.Sequential(nn.PReLU(4), nn.ReLU()))
    x, before = given(), network.state_dict()
    wanted = network(x)
    exchanged = with_fast_prelu(with_fast_prelu(network))
    assert [type(layer) for layer in exchanged.modules() if isinstance(layer, nn.PReLU)] == [PReLU, PReLU]
    assert list(exchanged.state_dict()) == list(before)
    assert torch.equal(exchanged(x), wanted)

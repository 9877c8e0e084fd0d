"""Spectral norm: torch's own, number by number, with a cheaper way back."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm as by_torch

from labelmint.nn.spectral import spectral_norm


def test_it_is_torch_s_in_values_random_numbers_names_and_gradients() -> None:
    layers, x = list[nn.Conv2d](), torch.randn(2, 4, 6, 6)
    for normed in (by_torch, spectral_norm):
        torch.manual_seed(0)
        layers.append(normed(nn.Conv2d(4, 8, 3)))
    theirs, ours = layers
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for _ in range(2):  # each pass in training moves the power iteration on
        found, wanted = ours(x), theirs(x)
        assert found.equal(wanted)
        for layer, y in ((ours, found), (theirs, wanted)):
            layer.zero_grad()
            y.square().sum().backward()
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert mine.grad is not None
            assert its.grad is not None
            assert torch.allclose(mine.grad, its.grad, rtol=1e-4, atol=1e-5)
    assert ours.eval()(x).equal(theirs.eval()(x))

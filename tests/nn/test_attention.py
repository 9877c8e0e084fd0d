"""The weights of self-attention are those that its fast path mixes with."""

import pytest
import torch

from labelmint.nn.attention import SelfAttention


@pytest.fixture
def module() -> SelfAttention:
    torch.manual_seed(0)
    made = SelfAttention(24)
    with torch.no_grad():
        made.gamma.fill_(0.7)
        made.project.weight.mul_(4)  # so that the weights are far from even
    return made


def test_weights_times_values_are_what_the_fast_path_adds(module: SelfAttention) -> None:
    x = torch.randn(2, 24, 5, 7)
    values = module.project(x).flatten(2).transpose(1, 2).chunk(3, dim=-1)[2]
    mixed = module.out((module.weights(x) @ values).transpose(1, 2).reshape(2, module.width, 5, 7))
    assert torch.allclose(x + module.gamma * mixed, module(x), atol=1e-5)


def test_weights_are_shares(module: SelfAttention) -> None:
    weights = module.weights(torch.randn(2, 24, 4, 6))
    assert weights.shape == (2, 24, 24)
    assert weights.min() >= 0
    assert torch.allclose(weights.sum(-1), torch.ones(2, 24), atol=1e-5)
    assert weights.max() > 3 / 24

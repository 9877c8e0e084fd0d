"""Penalties on gradients: closed forms of a linear critic, and that they reach its weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from labelmint.objectives.penalties import Penalty, penalty_of
from labelmint.types import LayoutBatch


class Linear(nn.Module):
    """Verdicts of two sizes, each a mean of the pixels times a number; so the slope is the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.steep = nn.Parameter(torch.tensor(3.0))

    def forward(self, image: Tensor, layouts: LayoutBatch) -> list[list[Tensor]]:
        return [[self.steep * image], [self.steep * nn.functional.avg_pool2d(image, 2)]]


@pytest.mark.parametrize(("kind", "wanted"), [("gradient", (3 / 8 - 1) ** 2), ("r1", (3 / 8) ** 2 / 2)])
def test_of_a_linear_critic(kind: Penalty, wanted: float) -> None:
    """The mean of 64 pixels has the slope 1 / 64 at each, and the length 1 / 8."""
    critic, layouts = Linear(), LayoutBatch(torch.zeros(2, 8, 8))
    real, found = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = penalty_of(kind, critic, real, found, layouts)
    assert penalty.dtype == torch.float32
    assert float(penalty.detach()) == pytest.approx(wanted, rel=1e-4)
    torch.autograd.backward(penalty)
    assert critic.steep.grad is not None
    assert critic.steep.grad != 0


def test_none_is_nothing() -> None:
    image = torch.randn(2, 1, 8, 8)
    assert penalty_of("none", Linear(), image, image, LayoutBatch(torch.zeros(2, 8, 8))) == 0

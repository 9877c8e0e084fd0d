"""The loss of sets of boxes: only what can stand there is weighed, and nothing after the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmint.objectives.box_likelihood import BoxNats
from labelmint.priors.boxes import BoxCode, BoxTransformer, BoxTransformerConfig

CODE = BoxCode(kinds=2, rows=3, sizes=6, places=8, size=(32, 32))


def prior() -> BoxTransformer:
    torch.manual_seed(0)
    return BoxTransformer(BoxTransformerConfig(width=16, layers=1, heads=2), CODE)


@torch.no_grad()
def judged(made: BoxTransformer, some: torch.Tensor, blur: float) -> float:
    """The loss in evaluation mode."""
    return float(BoxNats(CODE, blur)(made.eval(), some, None))


def tokens(count: int) -> torch.Tensor:
    rows = [[k % 2, 2, 2 + k, 20, 12 + k] for k in range(count)]
    return torch.from_numpy(CODE.encode(np.array(rows, np.float64).reshape(-1, 5)))[None]


def test_a_uniform_prior_needs_the_logarithms_of_what_can_stand_in_each_column() -> None:
    made = prior().eval()
    torch.nn.init.zeros_(made.out.weight)
    made.objects.fill_(2.0)
    # two objects, and the end
    nats = 3 * np.log(3) + 2 * (2 * np.log(6) + 2 * np.log(8))
    assert judged(made, tokens(2), 1.0) == pytest.approx(nats / 2, rel=1e-5)
    # of three objects in three rows no end is drawn
    full = 3 * np.log(3) + 3 * (2 * np.log(6) + 2 * np.log(8))
    assert judged(made, tokens(3), 1.0) == pytest.approx(full / 2, rel=1e-5)


def test_tokens_after_the_end_change_nothing() -> None:
    made, some = prior().eval(), tokens(1)
    both = torch.cat([some, tokens(3)])
    other = both.clone()
    other[0, 2] = 5
    assert judged(made, both, 0.0) == pytest.approx(judged(made, other, 0.0), rel=1e-6)


def test_in_training_coordinates_are_blurred_and_gradients_are_finite() -> None:
    made, some = prior().train(), torch.cat([tokens(0), tokens(2)])
    loss = BoxNats(CODE, 0.7)(made, some, None, 0.2)
    loss.backward()
    assert loss.isfinite() and all(one.grad is None or one.grad.isfinite().all() for one in made.parameters())
    assert judged(made, some, 0.7) == pytest.approx(judged(made, some, 0.0), rel=1e-6)

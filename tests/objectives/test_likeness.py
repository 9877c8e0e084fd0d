"""The objective of a generator: its terms in closed form, and figures that tell of a collapse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.generators.encoded import Encoded
from labelmint.objectives.likeness import LikenessObjective, kl_divergence
from labelmint.protocols import Noise
from labelmint.types import Batch, LayoutBatch

SIDE, CODE = 16, Noise("normal", (2,))


def pairs(count: int = 6) -> Pairs:
    """Images that are as bright as their layouts say."""
    levels = np.linspace(20, 230, count).astype(np.uint8)
    images = [np.full((SIDE, SIDE, 1), level, np.uint8) for level in levels]
    return Pairs(
        images, [np.full((SIDE, SIDE), k, np.int16) for k in range(count)], Geometry(size=(SIDE, SIDE)), 0
    )


class Painter(nn.Module):
    """Images of one color a layout; `heeds` is how much layouts and seeds count."""

    def __init__(self, layouts: float, seeds: float) -> None:
        super().__init__()
        self.layouts, self.seeds = layouts, seeds

    def forward(
        self, layouts: LayoutBatch, noise: Tensor | None, dials: Any, image: Tensor | None = None
    ) -> Any:
        level = self.layouts * (layouts.ids[:, :1, :1].float() / 5 * 2 - 1)
        if noise is not None:
            level = level + self.seeds * noise[:, 0, None, None]
        made = level[:, None].expand(-1, 1, SIDE, SIDE)
        return made if image is None else Encoded(made, noise, torch.zeros_like(noise))  # type: ignore[arg-type]


def figures(painter: nn.Module, noise: Noise | None) -> dict[str, float]:
    return LikenessObjective(noise).held_out(painter, pairs(), torch.device("cpu"))


def test_spread_and_variety_tell_what_images_vary_with() -> None:
    honest, deaf, random = (
        figures(Painter(0.8, 0.0), CODE),
        figures(Painter(0.0, 0.0), None),
        figures(Painter(0.0, 0.5), CODE),
    )
    assert honest["spread"] == pytest.approx(0.97, abs=0.05)
    assert honest["variety"] == pytest.approx(0.0, abs=1e-6)
    assert deaf["spread"] == 0
    assert "variety" not in deaf
    assert random["variety"] > 0.4


@pytest.mark.parametrize(("absolute", "kl"), [(3.0, 0.0), (0.0, 2.0), (3.0, 2.0)])
def test_terms_are_weighted_and_the_image_is_handed_on(absolute: float, kl: float) -> None:
    batch = pairs().batch(0, 4)
    seen: list[Encoded | Tensor] = []

    def network(*given: Any) -> Any:
        seen.append(Painter(0.5, 0.1)(*given))
        return seen[-1]

    call: Callable[..., Any] = network
    loss = LikenessObjective(CODE, absolute=absolute, kl=kl)(call, batch)
    (made,) = seen
    image = made.image if isinstance(made, Encoded) else made
    assert isinstance(made, Encoded) == bool(kl)
    assert loss.image is image
    assert float(loss.fidelity) == pytest.approx(
        absolute * float((image - batch.image).abs().mean()), rel=1e-5
    )
    wanted = kl * float(kl_divergence(made.mean, made.log_variance)) if isinstance(made, Encoded) else 0.0
    assert float(loss.others) == pytest.approx(wanted, rel=1e-5)


def test_where_images_alone_are_wanted_no_distance_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, batch = list[int](), pairs().batch(0, 4)
    objective = LikenessObjective(CODE, perceptual=2.0)

    def distance(made: Tensor, wanted: Tensor) -> Tensor:
        measured.append(len(made))
        return (made - wanted).square().mean()

    monkeypatch.setattr(objective, "_distance", distance)
    with_gradients = objective(Painter(0.5, 0.0), batch)
    assert measured == [4]
    assert with_gradients.fidelity > 0
    with torch.no_grad():
        alone = objective(Painter(0.5, 0.0), batch)
    assert measured == [4]
    assert alone.image is not None
    assert with_gradients.image is not None
    assert alone.image.equal(with_gradients.image)


def test_free_nats_cost_what_they_are_and_pull_at_nothing() -> None:
    mean = torch.ones(4, 3, requires_grad=True)

    def network(*given: Any) -> Encoded:
        return Encoded(torch.zeros_like(given[3]), mean, torch.zeros(4, 3))

    call: Callable[..., Any] = network
    for free, moves in ((0.0, True), (1.4, True), (1.6, False)):  # the divergence is 1.5
        mean.grad = None
        loss = LikenessObjective(CODE, kl=2.0, free=free)(call, pairs().batch(0, 4))
        assert float(loss.others.detach()) == pytest.approx(2 * max(1.5, free))
        loss.others.backward()
        assert mean.grad is not None and bool(mean.grad.any()) == moves


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(4)]])
    oracle = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(float(oracle.sum()))
    assert kl_divergence(torch.zeros(3, 2), torch.zeros(3, 2)) == 0


def test_a_batch_is_not_changed() -> None:
    batch: Batch = pairs().batch(0, 4)
    before = batch.image.clone()
    LikenessObjective(CODE, absolute=1.0, kl=1.0)(Painter(1.0, 1.0), batch)
    assert batch.image.equal(before)

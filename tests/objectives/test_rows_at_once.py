"""Passes without a way back: of large images fewer go through a network at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.layered import LayeredObjective
from labelmint.objectives.likeness import LikenessObjective
from labelmint.objectives.objective import rows_at_once
from labelmint.protocols import Noise
from labelmint.training import imle
from labelmint.training.imle import IMLE, Found, IMLELearning, Round
from labelmint.types import LayoutBatch

LARGE = (128, 512)


def pairs(size: tuple[int, int]) -> Pairs:
    shades = np.random.default_rng(0).integers(0, 256, (5, *size, 1)).astype(np.uint8)
    return Pairs([*shades], [np.zeros(size, np.uint8)] * 5, Geometry(size=size), 0)


class Noted(nn.Module):
    """A network that makes images of its noise, and notes how many at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, layouts: LayoutBatch, noise: Tensor, dials: Any) -> Tensor:
        self.rows.append(len(noise))
        return noise.mean(dim=1)[:, None, None, None].tanh().expand(-1, 1, *layouts.ids.shape[1:])


@pytest.mark.parametrize(
    ("most", "size", "rows"),
    [
        (16, (128, 128), 16),
        (16, (16, 16), 16),
        (16, (128, 256), 8),
        (16, (1024, 2048), 1),
        (8, (256, 200), 2),
    ],
)
def test_as_many_pixels_go_through_at_once_as_of_images_of_128_pixels(
    most: int, size: tuple[int, int], rows: int
) -> None:
    assert rows_at_once(most, size) == rows


def test_held_out_figures_are_drawn_few_at_once_and_stay_what_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, objective, device = Noted(), LikenessObjective(Noise("normal", (3,))), torch.device("cpu")
    few = objective.held_out(network, pairs(LARGE), device)
    assert max(network.rows) == 4
    assert sum(network.rows) == 5 + 16
    monkeypatch.setattr("labelmint.objectives.likeness.rows_at_once", lambda most, size: most)
    assert few == pytest.approx(objective.held_out(network, pairs(LARGE), device))
    assert max(network.rows) == 16


@pytest.mark.parametrize(("world", "at_once"), [(1, 4), (2, 4)])
def test_a_search_draws_few_large_images_at_once_in_each_process(
    world: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[list[int]]()

    def noted(network: nn.Module, objective: Any, one: Round, rows: Sequence[int], autocast: Any) -> Found:
        seen.append([*rows])
        return Found(torch.zeros(len(rows)), torch.zeros(len(rows)), torch.zeros(len(rows)))

    monkeypatch.setattr(imle, "search", noted)
    module = nn.Module()
    module.register_buffer("balance", torch.ones(1))
    fabric = SimpleNamespace(
        global_rank=0, world_size=world, autocast=nullcontext, all_reduce=lambda found, reduce_op: found
    )
    noise = Noise("normal", (1, *LARGE))
    regime = IMLE(IMLELearning(round_layouts=19), LayeredObjective(noise))
    one = regime.round(pairs(LARGE), 0)
    regime._search(cast(Any, fabric), module, one, 19, lambda: False)
    assert max(map(len, seen)) == at_once
    assert [row for rows in seen for row in rows] == [*range(0, 19, world)]

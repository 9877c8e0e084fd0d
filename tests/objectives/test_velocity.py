"""Times of a flow: stratified over a batch, and all of them for every kind of row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.generators.velocity_unet import VelocityConfig, VelocityUNet
from labelmint.objectives.velocity import VelocityObjective
from labelmint.types import Batch, LayoutBatch

ROWS, SIDE = 8, 4


class Noted(VelocityUNet):
    """A network that notes the times at which it is asked."""

    def __init__(self) -> None:
        super().__init__(VelocityConfig(patch=1, widths=(8,), attention=False, time_channels=8), 1, 2)
        self.times: list[Tensor] = []

    def forward(self, x: Tensor, t: Tensor, *given: Any, **more: Any) -> Tensor:
        self.times.append(t)
        return x


def times_of_rows(rarity: bool, labelled: Tensor | None) -> Tensor:
    """The stratum of each row, (steps, rows), of many batches."""
    torch.manual_seed(0)
    ids = [np.full((SIDE, SIDE), k % 2, np.uint8) for k in range(4)]
    images = [np.full((SIDE, SIDE, 1), 60 * k, np.uint8) for k in range(4)]
    pairs = Pairs(images, ids, Geometry(size=(SIDE, SIDE)), 0, {0: 0, 1: 1})
    objective, network = VelocityObjective(1.0, 0.0), Noted()
    objective.begin(network, pairs.rebalanced("appearance") if rarity else pairs)
    layouts = LayoutBatch(torch.zeros(ROWS, SIDE, SIDE, dtype=torch.uint8))
    for _ in range(64):
        objective(network, Batch(torch.zeros(ROWS, 1, SIDE, SIDE), layouts, labelled=labelled))
    return (torch.stack(network.times) * ROWS).long()


@pytest.mark.parametrize(
    ("rarity", "labelled"),
    [(False, torch.arange(ROWS) % 2 == 0), (True, None)],
    ids=["with and without a label", "one class and the next"],
)
def test_rows_in_turns_see_all_times(rarity: bool, labelled: Tensor | None) -> None:
    strata = times_of_rows(rarity, labelled)
    assert strata.sort(dim=1).values.equal(torch.arange(ROWS).expand_as(strata))
    for rows in (strata[:, 0::2], strata[:, 1::2]):
        assert rows.unique().tolist() == list(range(ROWS))


@pytest.mark.parametrize(
    "labelled", [None, torch.ones(ROWS, dtype=torch.bool)], ids=["no pool", "unused pool"]
)
def test_rows_in_random_order_have_times_in_order(labelled: Tensor | None) -> None:
    strata = times_of_rows(False, labelled)
    assert strata.equal(torch.arange(ROWS).expand_as(strata))

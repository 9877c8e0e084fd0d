"""The generator of boxes: its laws with any number of boxes, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from labelmint.contracts import check_generator
from labelmint.generators.network import OneNetwork
from labelmint.generators.object_pathway import ObjectPathwayConfig, ObjectPathwayGenerator
from labelmint.training.average import Average
from labelmint.types import LayoutBatch

GONE = [-1.0] * 5
BOXES = torch.tensor(
    [
        [[1, 3, 2, 13, 9.0], [2, 0, 0, 16, 12], [1, 20, 20, 30, 30]],
        [GONE, GONE, GONE],
        [[2, 24, 20, 26, 23], GONE, GONE],
    ]
)


def generator(norm: str = "group") -> OneNetwork:
    torch.manual_seed(0)
    config = ObjectPathwayConfig.model_validate(
        {"channels": 16, "noise": 4, "label_channels": 4, "layout_channels": 16, "norm": norm}
    )
    network = ObjectPathwayGenerator(config, torch.eye(3), 1, (32, 32))
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn(weights.shape), alpha=0.1)
    return OneNetwork(network, LayoutBatch(torch.zeros(1, 32, 32), boxes=BOXES[:1]))


def layouts() -> LayoutBatch:
    return LayoutBatch(torch.arange(3)[:, None, None].expand(3, 32, 32), boxes=BOXES)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_laws_hold_with_any_number_of_boxes(norm: str) -> None:
    check_generator(generator(norm), layouts(), image_channels=1)


def test_boxes_that_are_not_there_are_no_part_of_batch_statistics() -> None:
    alone = generator("batch").network, generator("batch").network
    given = layouts()
    padded = LayoutBatch(given.ids, boxes=torch.cat([BOXES, torch.full((3, 9, 5), -1.0)], dim=1))
    noise = torch.randn(64, 3, 4, generator=torch.Generator().manual_seed(0))
    for network, some in zip(alone, (given, padded), strict=True):
        assert isinstance(network, ObjectPathwayGenerator)
        average = Average(network, SimpleNamespace(extra={}), 0.0)  # type: ignore[arg-type]
        average.give_back(lambda number, network=network, some=some: network(some, noise[number], {}))  # type: ignore[misc]
    for one, other in zip(alone[0].buffers(), alone[1].buffers(), strict=True):  # type: ignore[attr-defined]
        assert torch.equal(one, other)


def test_it_sees_boxes_alone() -> None:
    made, seeds = generator(), [(7, index) for index in range(3)]
    images = made.sample(layouts(), seeds, {})
    assert images.equal(made.sample(LayoutBatch(layouts().ids * 0, boxes=BOXES), seeds, {}))
    moved = BOXES.clone()
    moved[2, 0, 1:] -= 12
    other = made.sample(LayoutBatch(layouts().ids, boxes=moved), seeds, {})
    assert other[:2].equal(images[:2])
    assert not other[2].equal(images[2])
    with pytest.raises(ValueError, match="needs layouts with boxes"):
        made.sample(LayoutBatch(layouts().ids), seeds, {})


def test_a_batch_without_objects_reaches_every_weight() -> None:
    network = generator().network
    assert isinstance(network, ObjectPathwayGenerator)
    network.train()
    none = LayoutBatch(torch.zeros(2, 32, 32), boxes=torch.full((2, 3, 5), -1.0))
    network(none, torch.randn(2, 4), {}).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())

"""The generator of Layout2Im: its laws, what each code moves, and the codes that come back."""

from __future__ import annotations

import pytest
import torch
from tests.generators.test_object_pathway import BOXES, layouts

from labelmint.contracts import check_generator
from labelmint.generators.bicycle import Cycles
from labelmint.generators.network import OneNetwork
from labelmint.generators.object_fusion import ObjectFusionConfig, ObjectFusionGenerator
from labelmint.types import Batch, LayoutBatch


def generator(norm: str = "group") -> OneNetwork:
    torch.manual_seed(0)
    sizes = {"channels": 8, "code": 4, "class_channels": 4, "lstm_layers": 2, "residual": 1, "crops": 16}
    config = ObjectFusionConfig.model_validate({**sizes, "norm": norm})
    network = ObjectFusionGenerator(config, 3, 3, 1, (32, 32))
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn(weights.shape), alpha=0.1)
    return OneNetwork(network, LayoutBatch(torch.zeros(1, 32, 32), boxes=BOXES[:1]))


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_laws_hold_with_any_number_of_boxes(norm: str) -> None:
    check_generator(generator(norm), layouts(), image_channels=1)


def test_codes_of_boxes_that_are_not_there_change_nothing() -> None:
    network = generator().network
    assert isinstance(network, ObjectFusionGenerator)
    network.eval()
    codes = torch.randn(3, 4, 4)
    other = codes.clone()
    other[2, 2:] += 1  # the last layout has one box
    other[1, 1:] += 1  # and this none
    assert network(layouts(), codes, {}).equal(network(layouts(), other, {}))
    other[2, 1] += 1
    moved = network(layouts(), other, {})
    assert not moved[2].equal(network(layouts(), codes, {})[2])


def test_the_order_of_reading_is_that_of_the_boxes() -> None:
    network = generator().network
    assert isinstance(network, ObjectFusionGenerator)
    network.eval()
    codes, swapped = torch.randn(1, 4, 4), [0, 2, 1, 3]
    first = network(layouts()[:1], codes, {})
    turned = LayoutBatch(torch.zeros(1, 32, 32), boxes=BOXES[:1, [1, 0, 2]])
    assert not torch.allclose(first, network(turned, codes[:, swapped], {}), atol=1e-4)


def test_both_cycles_tell_of_the_objects_that_are_there() -> None:
    network = generator().network
    assert isinstance(network, ObjectFusionGenerator)
    image, noise, drawn = torch.rand(3, 1, 32, 32), torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    found = network.train()(layouts(), noise, {}, image, drawn)
    assert isinstance(found, Cycles)
    assert found.image.shape == (3, 2, 32, 32)
    there = 3 + 3 + 1  # the grounds, and the boxes of the first and the last
    assert found.mean.shape == found.again.shape == found.drawn.shape == (there, 4)
    assert found.drawn[:3].equal(drawn[:, 0])
    (found.image.sum() + found.again.sum() + found.log_variance.sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    codes = network.eval().code_of(Batch(image, layouts()))
    assert codes.shape == (3, 4, 4) and not codes[1, 1:].any() and bool(codes[0].any(dim=1).all())

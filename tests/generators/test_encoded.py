"""Encoders of images: what an untrained one tells of an image, in the generators that have one."""

from __future__ import annotations

import pytest
import torch

from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.system import Facts
from labelmint.types import LayoutBatch


@torch.no_grad()
@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize(("name", "encoder"), [("spade", "encoder"), ("bachgan-apart", "background_encoder")])
def test_an_untrained_style_tells_images_apart(name: str, encoder: str, preset: str) -> None:
    """A style that says nothing at first is not heeded for thousands of steps."""
    torch.manual_seed(0)
    size = (64, 64)
    network = SYSTEMS[name].wire(settings_of(name, preset), Facts(3, size, 2)).stages[0].module
    images = torch.linspace(-1, 1, 8).view(-1, 1, 1, 1) + 0.1 * torch.randn(8, 3, *size)
    style, _ = network.get_submodule(encoder)(images)
    assert style.std(dim=0).mean() > 0.01


@torch.no_grad()
@pytest.mark.parametrize(("told", "differ"), [(3, True), (0, False)])
def test_blocks_are_told_the_style_beside_where_an_image_begins(told: int, differ: bool) -> None:
    torch.manual_seed(0)
    sizes = {"channels": 8, "widest": 2, "doublings": 2, "hidden": 8, "norm": "instance", "code": 4}
    network = SpadeGenerator(SpadeConfig(**sizes, told=told), 3, 1, (16, 16)).eval()
    network.begin.get_parameter("weight").zero_()
    layouts = LayoutBatch(torch.randint(0, 3, (2, 16, 16), dtype=torch.uint8))
    one, other = (network(layouts, torch.randn(2, 4), {}) for _ in range(2))
    assert one.equal(other) != differ

"""obj-cGAN's labels and published sizes."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from labelmint.generators.object_pathway import ObjectPathwayGenerator
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.obj_cgan import label_rows
from labelmint.systems.system import Facts, Wired
from labelmint.types import Batch, LayoutBatch


def wired(preset: str, device: str = "meta", channels: int = 3) -> Wired:
    with torch.device(device):
        return SYSTEMS["obj-cgan"].wire(
            settings_of("obj-cgan", preset), Facts(channels, PRESETS[preset].size, 4)
        )


def test_a_label_is_a_class_or_the_words_of_its_name() -> None:
    names = ("background", "red cube", "blue cube", "red ball")
    first = {1: 1, 2: 2, 3: 3}
    assert label_rows(first, names, False).tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert label_rows(first, names, True).tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize(
    ("preset", "width", "told", "encoded"), [("multi-mnist-64", 1024, 4, 64), ("clevr-64", 768, 16, 8)]
)
def test_the_networks_have_the_published_widths(preset: str, width: int, told: int, encoded: int) -> None:
    stage = wired(preset).stages[0]
    network = cast(ObjectPathwayGenerator, stage.module)
    assert network.begin.weight.shape == (16 * width, 100 + encoded)
    assert network.objects[0][1].weight.shape == (width // 2, told, 3, 3)  # type: ignore[index,union-attr]
    assert network.both[2].weight.shape == (3, width // 16, 3, 3)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["multi-mnist-64", "clevr-64", "clevr-64-classes"])
def test_a_published_preset_learns_two_steps_at_its_true_size(preset: str) -> None:
    torch.manual_seed(0)
    (stage,) = wired(preset, "cpu").stages
    boxes = torch.tensor([[[1, 4, 4, 30, 30.0], [2, 30, 30, 60, 60]]])
    batch = Batch(
        torch.rand(1, 3, 64, 64) * 2 - 1, LayoutBatch(torch.zeros(1, 64, 64, dtype=torch.uint8), boxes=boxes)
    )
    players = stage.regime.players(stage.module)
    networks = {player.name: player.module for player in players}
    for player in players:
        learner = torch.optim.Adam(player.module.parameters(), lr=player.rate)
        for _ in range(2):
            learner.zero_grad()
            loss = stage.regime.terms(player.name, networks, batch)[0]
            loss.backward()
            learner.step()
            assert loss.isfinite()

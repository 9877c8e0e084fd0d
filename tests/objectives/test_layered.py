"""A distance weighed layer by layer: equal shares, per item, and with what each pixel counts."""

from __future__ import annotations

import pytest
import torch
from tests.training.test_regimes import SIDE, SYMBOLS, pairs

from labelmint.generators.crn import CRNConfig, CRNGenerator
from labelmint.objectives.layered import LayeredObjective, layer_distances, layers_of
from labelmint.objectives.perceptual import VGGFeatures
from labelmint.objectives.structure import structure_distance, structure_maps
from labelmint.types import Batch, LayoutBatch


def begun() -> tuple[LayeredObjective, CRNGenerator]:
    torch.manual_seed(0)
    config = CRNConfig(channels=8, doublings=2)
    network = CRNGenerator(config, SYMBOLS, 1, (SIDE, SIDE), layers_of("", (SIDE, SIDE)))
    training = pairs(12, 0)
    training.class_of = {0: 0, 1: 1, 2: 2}
    objective = LayeredObjective(None)
    objective.begin(network, training.rebalanced("appearance"))
    return objective, network


@pytest.mark.parametrize(("size", "layers"), [((64, 48), 7), ((16, 16), 5), ((9, 40), 3), ((5, 5), 3)])
def test_as_many_layers_as_the_size_has(size: tuple[int, int], layers: int) -> None:
    assert layers_of("", size) == len(structure_maps(torch.zeros(1, 1, *size))) == layers
    assert layers_of("some file", size) == 5


def test_each_layer_has_the_same_share_of_the_distance_of_two_images() -> None:
    _, network = begun()
    images = pairs(12, 0).fixed(0, 12).image
    ones, others = (
        rows.flatten() for rows in torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    )
    ones, others = ones[ones != others], others[ones != others]
    layers = layer_distances(structure_maps(images[ones]), structure_maps(images[others])).mean(dim=0)
    shares = layers * network.balance
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / len(shares)), rtol=0.15, atol=0)


def test_a_mask_counts_each_pixel_in_every_layer_and_rarity_is_one() -> None:
    objective, network = begun()
    training = pairs(12, 0)
    batch = training.batch(0, 4)
    masks = objective.masks(batch)
    assert masks is not None
    assert masks.shape == (4, 1, SIDE, SIDE)
    assert masks.amax(dim=(1, 2, 3)).tolist() == [1.0] * 4
    assert float(masks.min()) > 0
    for row in range(4):  # one number a class of an image
        ids = batch.layouts.ids[row]
        assert all(len(masks[row, 0][ids == k].unique()) == 1 for k in ids.unique().tolist())
    wanted, made = objective.maps(batch.image), torch.zeros_like(batch.image)
    plain = objective.distances(made, wanted, None, network.balance)
    torch.testing.assert_close(
        objective.distances(made, wanted, torch.ones_like(masks), network.balance), plain
    )
    left = torch.zeros_like(masks)
    left[..., : SIDE // 2] = 1
    half = torch.where(left > 0, batch.image, made)
    unseen = torch.where(left > 0, made, batch.image)
    assert float(objective.distances(unseen, objective.maps(made), left, network.balance).max()) < float(
        plain.min()
    )
    alone = objective.distances(half[:1], [one[:1] for one in wanted], masks[:1], network.balance)
    torch.testing.assert_close(alone, objective.distances(half, wanted, masks, network.balance)[:1])
    assert objective.masks(Batch(batch.image, LayoutBatch(batch.layouts.ids))) is None


def test_the_maps_are_those_of_the_structure_distance() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)
    (_, g, a, *_), (_, h, b, *_) = structure_maps(x[..., :8, :8]), structure_maps(y[..., :8, :8])
    by_hand = ((g - h).abs().mean((1, 2, 3)) + (a - b).abs().mean((1, 2, 3))) / (
        h.abs().mean((1, 2, 3)) + 2 / 255
    )
    assert len(structure_maps(x[..., :8, :8])) == 3
    assert float(structure_distance(x[..., :8, :8], y[..., :8, :8])) == pytest.approx(
        float(by_hand.mean()), rel=1e-3
    )


def test_features_of_a_vgg_are_after_the_second_of_each_stage_with_means_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VGGFeatures, "_fill", lambda self, path: None)
    with torch.device("meta"):
        network = VGGFeatures(__file__, at=2, averaged=True)
        maps = network(torch.zeros(1, 1, 32, 48))
    shapes = [tuple(one.shape[1:]) for one in maps]
    assert shapes == [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]
    kinds = [type(layer).__name__ for stage in network.stages for layer in stage]  # type: ignore[union-attr]
    assert kinds.count("Conv2d") == 2 + 2 + 4 + 4 + 2
    assert kinds.count("AvgPool2d") == 4
    assert "MaxPool2d" not in kinds

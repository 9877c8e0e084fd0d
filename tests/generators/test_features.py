"""Features of objects: averaged over each, clusters of those of training, and drawn from these by seed."""

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmint.contracts import check_generator
from labelmint.generators.features import CLUSTERS, ObjectFeatures, averaged, objects_of
from labelmint.generators.network import OneNetwork
from labelmint.generators.pix2pixhd import Pix2PixHDConfig, Pix2PixHDGenerator
from labelmint.types import Batch, LayoutBatch

SYMBOLS, SIZE = 5, (16, 24)
KINDS, WHOLE = (0, 1, 1, 2, 3), (0,)  # two colors of one class, and a ground


def pairs(count: int, seed: int = 0) -> Batch:
    """Blobs of symbols, and images of noise."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(SYMBOLS, (count, 4, 6), generator=generator, dtype=torch.uint8)
    image = torch.rand(count, 1, *SIZE, generator=generator) * 2 - 1
    return Batch(image, LayoutBatch(ids.repeat_interleave(4, 1).repeat_interleave(4, 2)))


@torch.no_grad()
def network(enhancer_blocks: int = 1) -> Pix2PixHDGenerator:
    """One whose weights stand apart, with the clusters of a few pairs."""
    torch.manual_seed(0)
    config = Pix2PixHDConfig(
        channels=8, downsamplings=1, blocks=1, enhancer_blocks=enhancer_blocks, layout_channels=4, features=3
    )
    made = Pix2PixHDGenerator(config, SYMBOLS, 1, SIZE, kinds=KINDS, whole=WHOLE).eval()
    for weights in made.parameters():
        weights.add_(torch.randn_like(weights), alpha=0.1)
    made.settle([pairs(4)])
    return made


def features_of(made: Pix2PixHDGenerator) -> ObjectFeatures:
    assert made.features is not None
    return made.features


def pieces(ids: Tensor) -> list[tuple[int, list[tuple[int, int]]]]:
    """Symbol and pixels of each object of a map, by a walk from pixel to pixel."""
    left = {(y, x): int(ids[y, x]) for y in range(ids.shape[0]) for x in range(ids.shape[1])}
    found = [(k, [where for where, symbol in left.items() if symbol == k]) for k in WHOLE]
    left = {where: symbol for where, symbol in left.items() if symbol not in WHOLE}
    while left:
        where, symbol = next(iter(left.items()))
        piece, edge = [], [where]
        while edge:
            y, x = edge.pop()
            if left.get((y, x)) == symbol:
                del left[y, x]
                piece.append((y, x))
                edge += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        found.append((symbol, piece))
    return [one for one in found if one[1]]


def test_an_average_is_that_of_a_slow_walk_over_each_object() -> None:
    batch = pairs(2)
    whole = np.isin(np.arange(SYMBOLS), WHOLE)
    maps, objects = torch.randn(2, 3, *SIZE), objects_of(batch.layouts.ids, whole)
    means, count = averaged(maps, objects), 0
    for row in range(2):
        for _, piece in pieces(batch.layouts.ids[row]):
            ys, xs = map(list, zip(*piece, strict=True))
            (number,) = objects.numbers[row, ys, xs].unique()
            assert means[number].allclose(maps[row][:, ys, xs].mean(dim=1), atol=1e-5)
            assert int(objects.first[number]) == row * SIZE[0] * SIZE[1] + min(
                y * SIZE[1] + x for y, x in piece
            )
            count += 1
    assert count == len(means)


@torch.no_grad()
def test_an_object_has_one_feature_and_draws_a_cluster_of_its_class() -> None:
    features, ids = features_of(network()), pairs(1, seed=1).layouts.ids
    drawn = features.drawn(torch.rand(1, *SIZE), ids)
    for found in (drawn, features(pairs(1).image, ids)):
        for _, piece in pieces(ids[0]):
            ys, xs = map(list, zip(*piece, strict=True))
            assert len(found[0][:, ys, xs].unique(dim=1)[0]) == 1
    for symbol, piece in pieces(ids[0]):
        its = features.clusters[KINDS[symbol]][: features.known[KINDS[symbol]]]
        assert (its == drawn[0][:, piece[0][0], piece[0][1]]).all(dim=1).any()


@torch.no_grad()
def test_clusters_are_at_most_ten_a_class_and_the_same_for_the_same_pairs() -> None:
    features = features_of(network())
    once = features.clusters.clone(), features.known.clone()
    assert once[1].tolist() == [
        4,
        CLUSTERS,
        *once[1][2:].tolist(),
    ]  # four grounds, and more objects of the next
    features.settle([pairs(4)[:2], pairs(4)[2:]])
    assert features.known.equal(once[1])
    assert features.clusters.allclose(once[0], atol=1e-5)
    features.settle([pairs(1)])
    assert features.known[0] == 1
    assert (features.clusters[0, 1:] == 0).all()


@pytest.mark.parametrize("enhancer_blocks", [0, 1])
def test_images_are_a_function_of_layout_and_seed_and_another_seed_gives_another(
    enhancer_blocks: int,
) -> None:
    layouts = pairs(3, seed=2).layouts
    generator = OneNetwork(network(enhancer_blocks), layouts)
    assert generator.random
    check_generator(generator, layouts, image_channels=1)


@torch.no_grad()
def test_an_image_comes_back_by_its_own_features() -> None:
    made, batch = network(), pairs(2)
    generator = OneNetwork(made, batch.layouts)
    back = generator.given_back(batch)
    assert back is not None
    assert back.equal(made(batch.layouts, None, {}, batch.image).clamp(-1, 1))
    assert not back.allclose(generator.sample(batch.layouts, [(0, 0), (0, 1)], {}), atol=1e-3)
    assert not generator.finds_styles  # they are of objects, which an image alone does not show


@torch.no_grad()
def test_the_encoder_sees_images_as_small_as_it_learned_them() -> None:
    features, batch = features_of(network()), pairs(2)
    half = torch.nn.functional.avg_pool2d(batch.image, 2)
    small = features(half, batch.layouts.ids[:, ::2, ::2].contiguous())
    large = features(batch.image, batch.layouts.ids)
    assert large[:, :, ::2, ::2].allclose(small, atol=1e-5)

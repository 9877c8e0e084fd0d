"""Kinds that lie apart get a picture each, kinds that are labelled come last, and all of it follows from the seed."""

import numpy as np
import pytest
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.metrics.looks import color, contrast, joined, scale
from labelmint.metrics.medoids import distances, greedy_medoids, k_medoids
from labelmint.pool.advice import choose
from labelmint.pool.embedding import contrastive_loss, embedded
from labelmint.types import Array

KINDS = 5


def points(seed: int = 0, sizes: tuple[int, ...] = (30, 20, 10, 6, 3)) -> tuple[Array, Array]:
    """Points of kinds that lie well apart, and the kind of each."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(KINDS), sizes)
    return rng.normal(0, 0.3, (len(kinds), 4)) + 6 * np.eye(KINDS)[kinds][:, :4], kinds


def names_of(count: int) -> list[str]:
    return [f"n{k}" for k in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_each_kind_has_a_medoid_of_its_own(seed: int) -> None:
    some, kinds = points(seed)
    found = k_medoids(some, KINDS, 0)
    assert sorted(kinds[found.medoids]) == list(range(KINDS))
    assert all(len(set(found.of_point[kinds == k])) == 1 for k in range(KINDS))


def test_a_medoid_is_the_middle_of_its_cluster() -> None:
    some, _ = points()
    found = k_medoids(some, KINDS, 0)
    for k, medoid in enumerate(found.medoids):
        members = some[found.of_point == k]
        assert (
            distances(members, some[[medoid]]).sum() <= distances(members, members).sum(axis=0).min() + 1e-3
        )


def test_points_in_one_place_are_clusters_too() -> None:
    found = k_medoids(np.zeros((6, 2)), 3, 0)
    assert len(set(found.medoids.tolist())) == 3
    assert set(found.of_point[found.medoids]) == {0, 1, 2}


def test_greedy_medoids_mind_what_is_chosen_already() -> None:
    line = np.arange(10.0)[:, None]
    apart = distances(line, line)
    near = np.minimum(apart[:, 0], apart[:, 1])
    assert greedy_medoids(apart, 1, near)[0] > 4


def test_without_labels_one_of_each_kind_the_largest_first() -> None:
    some, kinds = points()
    picks, clusters, _ = choose(some, np.zeros((0, 4)), names_of(len(some)), KINDS, KINDS, None, 0)
    assert [kinds[int(pick.name[1:])] for pick in picks] == [0, 1, 2, 3, 4]
    assert [one.images for one in clusters] == [30, 20, 10, 6, 3]


def test_kinds_that_are_labelled_come_last() -> None:
    some, kinds = points()
    labelled = some[[0, 1, 31]] + 0.1  # of the two largest kinds
    picks, clusters, _ = choose(some, labelled, names_of(len(some)), KINDS, KINDS, None, 0)
    assert [kinds[int(pick.name[1:])] for pick in picks] == [2, 3, 4, 0, 1]
    assert [pick.covered for pick in picks] == [False] * 3 + [True] * 2
    assert sum(one.share for one in clusters if not one.covered) == pytest.approx(19 / 69)


def test_a_labelled_image_of_another_kind_covers_none() -> None:
    some, _ = points()
    _, clusters, _ = choose(some, np.full((1, 4), 40.0), names_of(len(some)), 3, KINDS, None, 0)
    assert not any(one.covered for one in clusters)


def test_of_a_large_cluster_some_images_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """All distances within it would take too much memory."""
    apart: list[int] = []

    def noted(some: Array, others: Array) -> Array:
        apart.append(len(some) if some is not others and np.array_equal(some, others) else 0)
        return distances(some, others)

    monkeypatch.setattr("labelmint.metrics.medoids._MOST", 8)
    monkeypatch.setattr("labelmint.pool.advice.distances", noted)
    some, _ = points()
    picks, _, _ = choose(some, np.zeros((0, 4)), names_of(len(some)), 12, KINDS, None, 0)
    assert len({pick.name for pick in picks}) == 12
    assert max(apart) == 8


def test_what_segmenters_disagree_about_comes_first() -> None:
    some, kinds = points()
    unsure = np.where(kinds == 4, 2.0, 0.01)
    unsure[40] = 1.0
    picks, _, _ = choose(some, np.zeros((0, 4)), names_of(len(some)), KINDS, KINDS, unsure, 0)
    assert kinds[int(picks[0].name[1:])] == 4


def test_more_are_asked_for_than_there_are_clusters() -> None:
    some, _ = points()
    picks, _, _ = choose(some, np.zeros((0, 4)), names_of(len(some)), len(some), KINDS, None, 0)
    assert len({pick.name for pick in picks}) == len(some)


def test_features_tell_scale_contrast_and_color() -> None:
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 255, (32, 32, 1), np.uint8)
    coarse = np.repeat(np.repeat(fine[:8, :8], 4, axis=0), 4, axis=1)
    assert np.exp(scale(coarse))[:2].sum() > 3 * np.exp(scale(fine))[:2].sum()
    assert np.abs(contrast(255 - fine) - (1 - contrast(fine)[::-1])).max() < 1e-9
    assert not color(fine).any()
    assert color(np.concatenate([fine, fine // 2, fine // 2], axis=2))[0] > 0.1
    assert np.isfinite(scale(np.full((3, 5, 1), 7, np.uint8))).all()


def test_each_block_has_its_weight_in_a_mean_squared_distance() -> None:
    rng = np.random.default_rng(0)
    blocks = {"a": rng.normal(0, 5, (50, 3)), "b": rng.normal(0, 0.1, (50, 7)), "flat": np.ones((50, 2))}
    whole = joined(blocks, {"a": 1.0, "b": 3.0, "flat": 1.0})
    parts = [distances(part, part) ** 2 for part in (whole[:, :3], whole[:, 3:10])]
    assert float(parts[0].mean()) == pytest.approx(1, rel=1e-3)
    assert float(parts[1].mean()) == pytest.approx(3, rel=1e-3)


def test_the_loss_is_least_where_views_of_an_image_agree() -> None:
    one = torch.eye(4)
    assert contrastive_loss(one, one) < contrastive_loss(one, one.roll(1, 0))


def test_the_embedding_follows_from_its_seed() -> None:
    images = [np.random.default_rng(k).integers(0, 255, (20, 60, 1), np.uint8) for k in range(4)]
    views = Geometry(size=(16, 16), augment=frozenset({"flips"}))

    def made(seed: int) -> Array:
        return embedded(
            images, views, steps=2, seed=seed, device=torch.device("cpu"), report=lambda event: None
        )

    first = made(0)
    assert first.shape[0] == 4
    assert np.array_equal(first, made(0))
    assert not np.array_equal(first, made(1))

"""Kinds of images: known mixtures, the rule for their number, scikit-learn's silhouette, and chance."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from labelmint.errors import InputError
from labelmint.metrics.kinds import (
    Kinds,
    appearance,
    find_kinds,
    kind_of,
    shares,
    silhouette,
    variation_by_chance,
)
from labelmint.metrics.layout_statistics import total_variation

COLORS = np.array([[10, 10, 10], [160, 130, 200], [230, 220, 235]])


def mixture(
    counts: tuple[int, ...], seed: int, channels: int = 3, size: tuple[int, int] = (24, 40)
) -> np.ndarray:
    """Noisy images (N, H, W, C) uint8 of as many kinds as there are counts."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(counts)), counts)
    images = COLORS[kinds][:, None, None, :channels] + rng.normal(0, 8, (len(kinds), *size, channels))
    return np.clip(images + rng.normal(0, 4, (len(kinds), 1, 1, 1)), 0, 255).astype(np.uint8)


def variation(real: Kinds, samples: np.ndarray) -> float:
    return total_variation(real.kinds, kind_of(appearance(samples), real.centers))


REAL = find_kinds(appearance(mixture((60, 30, 10), seed=0)))


@pytest.mark.parametrize(("channels", "size"), [(1, (24, 40)), (3, (8, 8)), (3, (150, 70))])
def test_appearance_is_mean_and_deviation_of_each_channel(channels: int, size: tuple[int, int]) -> None:
    images = mixture((3, 2), 1, channels, size)
    rows, columns = (max(side // 32, 1) for side in size)
    seen = images[:, ::rows, ::columns].astype(float)
    expected = np.concatenate([seen.mean(axis=(1, 2)), seen.std(axis=(1, 2))], axis=1)
    assert appearance(images) == pytest.approx(expected, rel=1e-4)


def test_the_kinds_of_a_mixture_are_found_the_largest_first() -> None:
    assert len(REAL) == 3
    assert REAL.kinds.tolist() == np.repeat(np.arange(3), (60, 30, 10)).tolist()
    assert REAL.separation > 0.7
    assert REAL.centers[:, :3] == pytest.approx(COLORS, abs=4)
    assert shares(REAL.kinds, 3) == pytest.approx([0.6, 0.3, 0.1])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_mixture_is_near_chance_and_one_kind_alone_is_far_from_it(channels: int) -> None:
    real = find_kinds(appearance(mixture((60, 30, 10), 0, channels)))
    usual, most = variation_by_chance(real.kinds, 100)
    assert variation(real, mixture((57, 31, 12), 1, channels)) == pytest.approx(0.03)
    assert 0.03 < usual < most < 0.2
    for kind, share in enumerate((0.6, 0.3, 0.1)):
        alone = mixture(tuple(100 * (k == kind) for k in range(3)), 2, channels)
        assert variation(real, alone) == pytest.approx(1 - share)


def test_the_same_seed_gives_the_same_kinds_and_another_one_finds_the_same_heaps() -> None:
    features = appearance(mixture((60, 30, 10), seed=0))
    again = find_kinds(features)
    assert np.array_equal(again.centers, REAL.centers)
    assert np.array_equal(find_kinds(features, seed=5).kinds, REAL.kinds)


def test_a_lone_outlier_is_no_kind_and_equal_items_are_of_one() -> None:
    features = appearance(mixture((60, 40), seed=3))
    outlier = np.full((1, features.shape[1]), 5000.0)
    found = find_kinds(np.concatenate([features, outlier]))
    assert shares(found.kinds, len(found)) == pytest.approx([60 / 101, 41 / 101])
    same = find_kinds(np.ones((20, 4)))
    assert (len(same), same.separation, same.kinds.tolist()) == (1, 0.0, [0] * 20)
    assert len(find_kinds(np.array([[0.0], [1.0]]))) == 1, "two items are too few for two kinds"


def test_a_continuum_is_parted_and_said_to_be_one() -> None:
    found = find_kinds(np.random.default_rng(0).normal(size=(300, 3)))
    assert len(found) > 1
    assert found.separation < 0.5


def test_many_items_are_fitted_on_some_and_all_have_a_kind() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 2)) + 30 * (np.arange(3000) % 3 == 0)[:, None]
    assert shares(find_kinds(features).kinds, 2) == pytest.approx([2 / 3, 1 / 3])


def test_silhouettes_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    features, kinds = rng.normal(size=(60, 3)), rng.integers(0, 4, 60)
    kinds[kinds == 3] = 2
    kinds[0] = 3  # alone in its kind
    assert silhouette(features, kinds) == pytest.approx(silhouette_score(features, kinds))
    assert silhouette(features, np.zeros(60, int)) == 0
    assert silhouette(np.ones((4, 1)), np.array([0, 0, 1, 1])) == 0


def test_chance_is_what_fresh_draws_give_and_shrinks_with_their_number() -> None:
    rng = np.random.default_rng(4)
    real = rng.choice(3, 400, p=[0.6, 0.3, 0.1])
    usual, most = variation_by_chance(real, 200)
    drawn = [
        total_variation(rng.choice(3, 400, p=[0.6, 0.3, 0.1]), rng.choice(3, 200, p=[0.6, 0.3, 0.1]))
        for _ in range(500)
    ]
    assert usual == pytest.approx(np.mean(drawn), rel=0.15)
    assert most == pytest.approx(np.quantile(drawn, 0.95), rel=0.15)
    assert variation_by_chance(real, 20)[0] > usual > variation_by_chance(real, 2000)[0]
    assert variation_by_chance(real, 200) == (usual, most)
    assert variation_by_chance(np.zeros(30, int), 50) == (0, 0)


def test_whole_groups_leave_more_to_chance() -> None:
    kinds = np.repeat([0, 1, 0, 1, 0, 0], 50)
    alone, grouped = (variation_by_chance(kinds, 300, groups)[0] for groups in (None, np.arange(300) // 50))
    assert grouped > 2 * alone


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(N, H, W, C\)"):
        appearance(np.zeros((3, 8, 8)))
    with pytest.raises(InputError, match="at least 2"):
        find_kinds(np.zeros((9, 2)), most=1)
    with pytest.raises(InputError, match="finite"):
        find_kinds(np.full((9, 2), np.nan))

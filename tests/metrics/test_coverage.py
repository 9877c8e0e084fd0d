"""Precision, recall, density, coverage: their definitions item by item, and what identical, collapsed and
foreign sets score.
"""

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics import coverage as module
from labelmint.metrics.coverage import coverage, distance_blocks

RNG = np.random.default_rng(2)
REAL, FAKE = RNG.normal(size=(40, 6)), RNG.normal(0.3, 1.2, size=(30, 6))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("block", [1, 100, 1 << 23])
def test_scores_equal_their_definitions(k: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neighbors import NearestNeighbors

    monkeypatch.setattr(module, "_BLOCK", block)
    reach_real, reach_fake = (
        NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1] for x in (REAL, FAKE)
    )
    apart = np.linalg.norm(REAL[:, None] - FAKE[None], axis=2)
    in_real, in_fake = apart <= reach_real[:, None], apart <= reach_fake[None]
    found = coverage(REAL, FAKE, k)
    np.testing.assert_array_equal(found.precise, in_real.any(axis=0))
    np.testing.assert_array_equal(found.recalled, in_fake.any(axis=1))
    np.testing.assert_array_equal(found.dense, in_real.sum(axis=0) / k)
    np.testing.assert_array_equal(found.covered, in_real.any(axis=1))
    assert found.precision == found.precise.mean()
    assert found.recall == found.recalled.mean()
    assert found.density == found.dense.mean()
    assert found.coverage == found.covered.mean()


@pytest.mark.parametrize(
    "real",
    [REAL, np.repeat(REAL, 8, axis=0), np.ones((9, 3)), 1e6 + REAL],
    ids=["fresh", "doubled", "one", "far"],
)
def test_identical_sets_are_precise_recalled_and_covered(real: np.ndarray) -> None:
    found = coverage(real, real[::-1])
    assert found.precision == found.recall == found.coverage == 1
    assert found.density >= 1


def test_a_foreign_set_scores_nothing() -> None:
    found = coverage(REAL, FAKE + 100)
    assert found.precision == found.recall == found.density == found.coverage == 0


def test_a_collapsed_set_is_precise_but_covers_little() -> None:
    found = coverage(REAL, np.repeat(REAL[:1], 30, axis=0))
    assert found.precision == 1
    assert found.recall == 1 / len(REAL)
    assert found.coverage < 0.5


def test_sets_of_one_distribution_have_a_density_about_one() -> None:
    a, b = RNG.normal(size=(2, 1500, 3))
    assert coverage(a, b).density == pytest.approx(1, abs=0.1)
    assert coverage(a, b).coverage > 0.9


def test_distances_are_symmetric_and_exact_at_zero() -> None:
    far = 1e6 + REAL
    apart = np.concatenate([block for _, block in distance_blocks(far, far)])
    assert (apart == apart.T).all()
    assert (np.diagonal(apart) == 0).all()


@pytest.mark.parametrize(
    ("real", "synthetic", "k", "said"),
    [
        (REAL[:5], FAKE, 5, "at least 6 items in each set; got 5"),
        (REAL, FAKE[:3], 3, "at least 4 items"),
        (REAL, FAKE[:, :5], 5, "one width"),
        (REAL[0], FAKE[0], 5, "matrices"),
        (REAL[:, :0], FAKE[:, :0], 5, "at least 1"),
        (REAL, FAKE * np.nan, 5, "finite"),
        (REAL, FAKE, 0, "at least 1"),
    ],
)
def test_bad_sets_are_refused(real: np.ndarray, synthetic: np.ndarray, k: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        coverage(real, synthetic, k)

"""Authenticity and C_T: the definition, copies, fresh draws, and SciPy's test."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from labelmint.errors import InputError
from labelmint.metrics import coverage
from labelmint.metrics.authenticity import authentic, c_t, mann_whitney_z

RNG = np.random.default_rng(6)
TRAINING, TEST, FRESH = RNG.normal(size=(300, 4)), RNG.normal(size=(150, 4)), RNG.normal(size=(200, 4))


@pytest.mark.parametrize("block", [1, 1 << 23])
def test_authentic_equals_its_definition(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_BLOCK", block)
    slow = []
    for sample in FRESH:
        to_training = np.linalg.norm(TRAINING - sample, axis=1)
        item = to_training.argmin()
        others = np.delete(np.linalg.norm(TRAINING - TRAINING[item], axis=1), item)
        slow.append(to_training[item] > others.min())
    assert authentic(FRESH, TRAINING).tolist() == slow


def test_copies_are_not_authentic_and_fresh_draws_often_are() -> None:
    assert not authentic(TRAINING, TRAINING).any()
    assert not authentic(TRAINING + 1e-6, TRAINING).any()
    assert authentic(TRAINING + 100, TRAINING).all()
    assert 0.3 < authentic(FRESH, TRAINING).mean() < 0.7
    doubled = np.repeat(TRAINING[:3], 2, axis=0)
    assert not authentic(doubled, doubled).any()


@pytest.mark.parametrize("kind", ["plain", "ties", "sizes"])
def test_z_is_that_of_scipy(kind: str) -> None:
    a, b = RNG.normal(size=(40)), RNG.normal(0.2, 1, size=(25 if kind == "sizes" else 40))
    if kind == "ties":
        a, b = a.round(), b.round()
    z = mann_whitney_z(a, b)
    for side, share in (("less", norm.cdf(z)), ("greater", norm.sf(z))):
        expected = mannwhitneyu(a, b, alternative=side, method="asymptotic", use_continuity=False).pvalue
        assert share == pytest.approx(expected, rel=1e-9)
    assert mann_whitney_z(b, a) == pytest.approx(-z)


def test_z_of_equal_numbers_is_zero() -> None:
    assert mann_whitney_z(np.zeros(7), np.zeros(4)) == 0
    assert mann_whitney_z(np.array([3.0]), np.array([3.0])) == 0


def test_copying_is_far_below_zero_fresh_draws_about_zero_and_foreign_samples_far_above() -> None:
    assert c_t(TRAINING, TEST, TRAINING + 0.01) < -5
    assert abs(c_t(TRAINING, TEST, FRESH)) < 2
    assert c_t(TRAINING, TEST, 2 * FRESH) > 3


def test_one_cell_is_the_plain_test() -> None:
    def to_training(items: np.ndarray) -> np.ndarray:
        return np.linalg.norm(items[:, None] - TRAINING[None], axis=2).min(axis=1)

    assert c_t(TRAINING, TEST, FRESH, cells=1) == pytest.approx(
        mann_whitney_z(to_training(FRESH), to_training(TEST))
    )


def test_cells_are_weighted_by_their_test_items_and_thin_ones_left_out() -> None:
    far, farther = np.full(4, 100.0), np.full(4, -100.0)
    training = np.concatenate([TRAINING[:100], TRAINING[100:200] + far])
    test = np.concatenate([TEST[:90], TEST[90:120] + far])
    samples = np.concatenate([TRAINING[:50] + 0.01, FRESH[:60] + far])
    near = c_t(TRAINING[:100], TEST[:90], TRAINING[:50] + 0.01, cells=1)
    away = c_t(TRAINING[100:200], TEST[90:120], FRESH[:60], cells=1)
    found = {round(c_t(training, test, samples, cells=2, seed=seed), 6) for seed in range(5)}
    assert found == {round(0.75 * near + 0.25 * away, 6)}
    third = np.concatenate([training, TRAINING[:40] + farther])  # no test item and 4 samples there: too thin
    more = np.concatenate([samples, FRESH[:4] + farther])
    seeds = [seed for seed in range(20) if _parts(third, seed) == 3]
    assert seeds
    assert {round(c_t(third, test, more, cells=3, seed=seed), 6) for seed in seeds} == found


def _parts(items: np.ndarray, seed: int) -> int:
    """In how many of three far parts the first centers lie."""
    start = items[np.random.default_rng(seed).choice(len(items), 3, replace=False)]
    return len(set(np.round(start[:, 0] / 100)))


def test_the_seed_fixes_the_cells() -> None:
    assert c_t(TRAINING, TEST, FRESH, cells=5, seed=3) == c_t(TRAINING, TEST, FRESH, cells=5, seed=3)
    assert len({c_t(TRAINING, TEST, FRESH, cells=5, seed=seed) for seed in range(5)}) > 1


def test_bad_sets_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 training items"):
        authentic(FRESH, TRAINING[:1])
    with pytest.raises(InputError, match="at least 5 test items and 5 samples"):
        c_t(TRAINING, TEST[:4], FRESH)
    with pytest.raises(InputError, match="from 1 to 300"):
        c_t(TRAINING, TEST, FRESH, cells=301)
    with pytest.raises(InputError, match="from 1 to 300"):
        c_t(TRAINING, TEST, FRESH, cells=0)
    with pytest.raises(InputError, match="at least 1 items"):
        c_t(TRAINING, TEST, FRESH[:0])
    assert np.isfinite(c_t(np.zeros((9, 2)), np.zeros((9, 2)), np.zeros((9, 2)), cells=4))

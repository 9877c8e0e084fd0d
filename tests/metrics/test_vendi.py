"""The Vendi score: known answers, and both sides of the kernel give one value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmint.errors import InputError
from labelmint.metrics.vendi import vendi_score

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (4, 9)])
def test_identical_rows_count_once(shape: tuple[int, int]) -> None:
    assert vendi_score(np.full(shape, 2.5)) == pytest.approx(1)


@given(different=st.integers(1, 8), doubled=st.integers(1, 5))
def test_rows_at_right_angles_count_each_and_doubles_add_nothing(different: int, doubled: int) -> None:
    rows = np.repeat(np.linalg.qr(RNG.normal(size=(8, 8)))[0][:different], doubled, axis=0)
    lengths = RNG.uniform(0.1, 10, size=(len(rows), 1))
    assert vendi_score(rows * lengths) == pytest.approx(different)


def test_uneven_groups_count_by_the_entropy_of_their_shares() -> None:
    shares = np.array([6, 3, 1]) / 10
    assert vendi_score(np.repeat(np.eye(3), [6, 3, 1], axis=0)) == pytest.approx(
        np.exp(-(shares * np.log(shares)).sum())
    )


@pytest.mark.parametrize("shape", [(30, 5), (5, 30), (7, 7)])
def test_it_is_the_entropy_of_the_whole_kernel(shape: tuple[int, int]) -> None:
    from scipy.stats import entropy
    from sklearn.metrics.pairwise import cosine_similarity

    features = RNG.normal(size=shape)
    values = np.linalg.eigvalsh(cosine_similarity(features) / len(features)).clip(0)
    assert vendi_score(features) == pytest.approx(np.exp(entropy(values)), rel=1e-9)


def test_rows_without_a_direction_are_refused() -> None:
    with pytest.raises(InputError, match="2 rows are all zeros"):
        vendi_score(np.array([[0, 0], [1, 2], [0, 0]]))
    with pytest.raises(InputError, match="at least 1 items"):
        vendi_score(np.zeros((0, 3)))

"""Use of codes and what two streams of tokens share: known answers and laws."""

import math

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.codes import code_use, entropy, mutual_information, shared_bits


def test_even_use_has_the_perplexity_of_the_codebook_and_one_entry_that_of_one() -> None:
    even = code_use(np.arange(8).repeat(5).reshape(10, 2, 2), 8)
    assert (even.used, even.perplexity) == (8, pytest.approx(8))
    single = code_use(np.full((3, 2, 2), 5), 8)
    assert (single.used, single.perplexity, single.shares[0]) == (1, pytest.approx(1), 1.0)
    assert len(single.shares) == 8


def test_shares_are_sorted_and_sum_to_one() -> None:
    shares = code_use(np.random.default_rng(0).integers(0, 5, (4, 3, 3)), 16).shares
    assert list(shares) == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)


def test_entropy_of_known_histograms() -> None:
    assert entropy(np.array([7, 0])) == 0.0
    assert entropy(np.array([[1, 1], [1, 1]])) == pytest.approx(2)


def test_a_function_of_the_other_tokens_shares_all_it_has() -> None:
    a = np.random.default_rng(0).integers(0, 16, (50, 4, 4))
    assert mutual_information(a, a // 2) == pytest.approx(entropy(np.bincount((a // 2).ravel())))
    told = shared_bits(a, (a + 3) % 16)
    assert told.share > 0.9
    assert told.found == pytest.approx(min(told.entropies))


def test_independent_tokens_share_nothing_but_what_counting_makes_up() -> None:
    rng = np.random.default_rng(0)
    told = shared_bits(rng.integers(0, 16, (40, 4, 4)), rng.integers(0, 16, (40, 4, 4)))
    assert told.found > 0.05  # the bias of counting
    assert told.share < 0.02
    assert told.net <= told.found


def test_what_the_place_alone_tells_is_not_shared() -> None:
    """Both paths say where they are, and nothing else that is common: half of each token is the place's row."""
    rng = np.random.default_rng(3)
    rows = np.arange(4)[None, :, None].repeat(60, axis=0).repeat(4, axis=2)
    a, b = (rows * 2 + rng.integers(0, 2, (60, 4, 4)) for _ in range(2))
    told = shared_bits(a, b)
    assert told.found > 1.9  # the row, two bits
    assert told.share < 0.02
    common = rng.integers(0, 2, (60, 4, 4))
    told = shared_bits(rows * 2 + common, rows * 2 + 1 - common)
    assert told.net == pytest.approx(1, abs=0.05)  # what they have in common beyond the place


def test_one_image_shares_nothing_that_can_be_told() -> None:
    a = np.random.default_rng(4).integers(0, 16, (1, 8, 8))
    assert shared_bits(a, a).net == 0


def test_it_is_symmetric_and_blind_to_names() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, (30, 3, 3)), rng.integers(0, 9, (30, 3, 3))
    assert mutual_information(a, b) == pytest.approx(mutual_information(b, a))
    assert mutual_information(a, b) == pytest.approx(mutual_information(rng.permutation(6)[a], b))


def test_the_same_seed_gives_the_same_answer() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, (9, 3, 3)), rng.integers(0, 6, (9, 3, 3))
    assert shared_bits(a, b, seed=4) == shared_bits(a, b, seed=4)


def test_a_single_code_shares_nothing() -> None:
    told = shared_bits(np.zeros((2, 2, 2), int), np.ones((2, 2, 2), int))
    assert (told.net, told.share) == (0.0, 0.0)
    assert not math.copysign(1, told.entropies[0]) < 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: code_use(np.zeros((0, 2, 2), int), 4),
        lambda: code_use(np.full((1, 2, 2), 4), 4),
        lambda: mutual_information(np.zeros((2, 2), int), np.zeros((2, 3), int)),
        lambda: mutual_information(np.zeros(0, int), np.zeros(0, int)),
    ],
)
def test_what_are_no_tokens_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="tokens"):
        wrong()  # type: ignore[operator]

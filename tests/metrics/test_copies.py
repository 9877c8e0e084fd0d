"""Near-copies: the fast distance equals its definition, and the threshold is that of real held-out items."""

import tracemalloc
from itertools import product

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics import copies
from labelmint.metrics.copies import copy_threshold, near_copies, nearest

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
@pytest.mark.parametrize("shifts", [0, 1, 2])
@pytest.mark.parametrize("block", [1, 1 << 24])
def test_nearest_equals_its_definition(
    shape: tuple[int, ...], shifts: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_BLOCK", block)
    queries, references = (RNG.integers(0, 256, (n, *shape)).astype(np.uint8) for n in (7, 11))
    index, distance = nearest(queries, references, shifts)
    for q, query in enumerate(queries):
        slow = [min(_rms(query, reference, dy, dx) for dy, dx in _moves(shifts)) for reference in references]
        assert distance[q] == pytest.approx(min(slow), rel=1e-9)
        assert index[q] == int(np.argmin(slow))


def test_many_items_are_compared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_BLOCK", 1 << 14)
    many, one = (RNG.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8) for n in (600, 1))
    for queries, references in ((one, many), (many, one)):
        kept = queries.size * 4 if len(queries) > 1 else 0  # the queries, as they are compared
        tracemalloc.start()
        nearest(queries, references)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.5 * kept + (2 << 20)


def _moves(shifts: int) -> list[tuple[int, int]]:
    return list(product(range(-shifts, shifts + 1), repeat=2))


def _rms(query: np.ndarray, reference: np.ndarray, dy: int, dx: int) -> float:
    padded = np.pad(reference.astype(float), [(2, 2), (2, 2), *[(0, 0)] * (reference.ndim - 2)], mode="edge")
    moved = padded[2 - dy : 2 - dy + reference.shape[0], 2 - dx : 2 - dx + reference.shape[1]]
    return float(np.sqrt(np.mean((query - moved) ** 2)))


def test_a_copy_is_found_though_moved_and_new_items_are_not() -> None:
    references, held_out, new = (RNG.integers(0, 256, (n, 12, 12)).astype(np.uint8) for n in (50, 200, 20))
    moved = np.roll(references[[4, 9]], (1, -1), axis=(1, 2))
    moved[:, 0], moved[:, :, -1] = moved[:, 1], moved[:, :, -2]
    threshold = copy_threshold(held_out, references)
    found, sources, distances = near_copies(
        np.concatenate([new, references[[7]], moved]), references, threshold
    )
    assert found.tolist() == [20, 21, 22]
    assert sources.tolist() == [7, 4, 9]
    assert distances == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
def test_the_threshold_leaves_the_asked_share_below(share: float) -> None:
    references, held_out = (RNG.integers(0, 256, (n, 4, 4)).astype(np.uint8) for n in (30, 200))
    threshold = copy_threshold(held_out, references, share)
    assert len(near_copies(held_out, references, threshold)[0]) == round(share * 200)


def test_bad_arrays_are_refused() -> None:
    items = np.zeros((3, 4, 4))
    for arguments in (
        (items, np.zeros((3, 5, 4))),
        (items, items[:0]),
        (np.zeros((3, 16)), np.zeros((3, 16))),
    ):
        with pytest.raises(InputError):
            nearest(*arguments)
    with pytest.raises(InputError, match="held-out"):
        copy_threshold(items[:0], items)

"""Pairs that memory does not hold lie in a mapped file: the same values, the same batches, and no trace of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.helpers import digits

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import keep
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.runs.prepare import Prepared, prepare


def pairs() -> list[Pair]:
    """Pairs of any size and kind of array: with instances and boxes, with none, with none in a list of them."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(7):
        height, width = rng.integers(3, 9, 2)
        found.append(
            Pair(
                name=f"p{k}",
                group=f"g{k % 2}",
                image=rng.integers(0, 256, (height, width, 1 + 2 * (k % 2)), np.uint8),
                ids=rng.integers(0, 900, (height, width)).astype(np.uint16),
                instances=None if k % 3 else rng.integers(0, 4, (height, width)).astype(np.uint32),
                boxes=None if k % 2 else rng.random((k, 5)),
            )
        )
    return found


@pytest.mark.parametrize("available", [0, 100, 1 << 40])
def test_pairs_are_the_same_wherever_they_lie(available: int, tmp_path: Path) -> None:
    given = pairs()
    kept = keep(iter(given), 7, available=available, folder=tmp_path / "not" / "there", source="data")
    assert [*tmp_path.iterdir()] == []
    for one, other in zip(given, kept, strict=True):
        assert (one.name, one.group) == (other.name, other.group)
        for name in ("image", "ids", "instances", "boxes"):
            a, b = getattr(one, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
    assert (sum(one.nbytes for one in kept) == 0) == (available < 1000)


def test_without_a_disk_they_are_refused_with_what_mends_it() -> None:
    with pytest.raises(InputError, match=r"data: 7 pairs need about .* smaller --size"):
        keep(iter(pairs()), 7, available=10, folder=None, source="data")


def prepared(available: int, disk: Path) -> Prepared:
    geometry = Geometry(size=(24, 24), crop=True, augment=frozenset({"flips"}))
    return prepare(
        digits(), geometry, cell=4, group_by=None, seed=3, force=False, available=available, disk=disk
    )


def test_batches_from_the_disk_are_those_from_memory_to_the_byte(tmp_path: Path) -> None:
    here, there = prepared(1 << 40, tmp_path), prepared(1000, tmp_path)
    assert here.bytes > 0 == there.bytes
    assert here.digest == there.digest
    for step in range(5):
        one, other = here.training.batch(step, 4), there.training.batch(step, 4)
        assert one.image.equal(other.image)
        assert one.layouts.ids.equal(other.layouts.ids)
    assert here.validation.fixed(0, 2).image.equal(there.validation.fixed(0, 2).image)

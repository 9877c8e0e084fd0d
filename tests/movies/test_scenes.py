"""The order of a sequence."""

from __future__ import annotations

import random

from labelmint.movies.scenes import _by_number


def test_numbers_in_names_count_by_value() -> None:
    names = ["9", "10", "a-2", "a-10", "a-10b", "b", "b-1-2", "b-1-11"]
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=_by_number) == names

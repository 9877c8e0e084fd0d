"""The order of a sequence, and who has no codes."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from labelmint.errors import InputError
from labelmint.movies.scenes import _by_number, noise_of


def test_numbers_in_names_count_by_value() -> None:
    names = ["9", "10", "a-2", "a-10", "a-10b", "b", "b-1-2", "b-1-11"]
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=_by_number) == names


@pytest.mark.parametrize(
    ("moves", "said"), [(True, "moves the images of training pairs"), (False, "token by token")]
)
def test_why_there_is_no_code_is_told(moves: bool, said: str) -> None:
    system: Any = SimpleNamespace(path="run", system="other", images=object(), moves_pairs=moves)
    with pytest.raises(InputError, match=f"run: other .*{said}, so it has no code to change"):
        noise_of(system)

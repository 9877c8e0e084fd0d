"""What counts where enlarged images are measured."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.enlargement import _showing_something


def test_images_of_one_level_are_left_out_and_counted() -> None:
    flat = np.full((8, 8, 3), (1, 2, 3), np.uint8)
    shown = flat.copy()
    shown[4, 4, 1] = 9
    ids = [np.zeros((8, 8), np.int16)] * 3
    kept, left = _showing_something(Pairs([flat, shown, flat], ids, Geometry(size=(8, 8)), 0), "data")
    assert (len(kept), left) == (1, 2)
    assert np.array_equal(kept.images[0], shown)
    with pytest.raises(InputError, match="one level alone"):
        _showing_something(Pairs([flat], ids[:1], Geometry(size=(8, 8)), 0), "data")

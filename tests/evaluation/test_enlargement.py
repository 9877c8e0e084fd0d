"""What counts where enlarged images are measured."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.enlargement import _figures, _showing_something, _verdict
from labelmint.evaluation.options import Options


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


@pytest.mark.parametrize(("groups", "level"), [("aa", "mixed"), ("ab", "good")])
def test_images_of_one_group_have_no_interval_and_nothing_is_sure(groups: str, level: str) -> None:
    ours, plain = np.array([31.0, 32.0]), np.array([30.0, 30.0])
    found = {"network": {"psnr": ours, "ssim": ours / 40}, "bicubic": {"psnr": plain, "ssim": plain / 40}}
    figures = _figures(found, list(groups), Options(resamples=50))
    assert all((one.low is None) == (one.high is None) == (level == "mixed") for one in figures)
    assert _verdict(figures[0]).level == level

"""Scaling: every level comes back, and what lies beyond the range takes its ends."""

import numpy as np
import pytest
import torch

from labelmint.datasets.scaling import EIGHT_BITS, as_channels

LEVELS = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)


def test_every_level_comes_back_and_the_ends_are_those_of_the_range() -> None:
    unit = EIGHT_BITS.to_unit(LEVELS)
    assert unit.shape == (2, 1, 8, 16)
    assert (unit.min(), unit.max()) == (-1, 1)
    np.testing.assert_array_equal(EIGHT_BITS.from_unit(unit), LEVELS)


def test_what_lies_beyond_the_range_takes_its_nearest_level() -> None:
    beyond = torch.tensor([-7.0, -1.001, 0.0039, 1.001, 7.0]).reshape(1, 1, 1, 5)
    assert EIGHT_BITS.from_unit(beyond).ravel().tolist() == [0, 0, 128, 255, 255]


def test_the_variance_is_that_of_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
    assert EIGHT_BITS.variance(images) == pytest.approx(float(EIGHT_BITS.to_unit(images).numpy().var()))


def test_grey_is_repeated_and_color_is_never_made_grey() -> None:
    grey = LEVELS[0]
    assert as_channels(grey, 1) is grey
    assert (as_channels(grey, 3) == grey).all()
    assert as_channels(grey, 3).shape == (8, 16, 3)
    with pytest.raises(ValueError, match="3 channels"):
        as_channels(as_channels(grey, 3), 1)

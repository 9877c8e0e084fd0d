"""The swap test: its figures on images that are made up, and which generators it fails."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labelmint.metrics.swap import AIMS, border_gradient, missed, moved, share_changed
from labelmint.types import Array

INSIDE = np.zeros((1, 8, 8), bool)
INSIDE[:, 2:6, 2:6] = True


def flat(level: int, within: int | None = None) -> Array:
    """An image of one level, and of another in the box."""
    image = np.full((1, 8, 8, 3), level, np.uint8)
    if within is not None:
        image[INSIDE] = within
    return image


def test_a_share_counts_pixels_by_the_channel_that_changes_most() -> None:
    after = flat(100)
    after[0, 0, 0, 1], after[0, 0, 1, 2], after[0, 2, 2] = 92, 109, 200
    assert share_changed(flat(100), after, ~INSIDE, 8) == 1 / 48
    assert share_changed(flat(100), after, INSIDE, 8) == 1 / 16
    assert share_changed(flat(0), flat(255), INSIDE, 16) == 1
    assert math.isnan(share_changed(flat(0), flat(1), np.zeros_like(INSIDE), 8))


def test_a_pasted_rectangle_shows_in_the_border_and_what_lies_elsewhere_does_not() -> None:
    assert border_gradient(flat(50, within=80), INSIDE) == 30
    assert border_gradient(flat(50), INSIDE) == 0
    image = flat(50, within=80)
    image[0, 3, 3] = 255
    assert border_gradient(image, INSIDE) == 30
    assert math.isnan(border_gradient(image, np.ones_like(INSIDE)))


def test_crops_are_moved_relative_to_real_ones_of_their_kind() -> None:
    real, kinds = np.array([[0.0, 0], [0, 2], [50, 50], [50, 52]]), [0, 0, 1, 1]
    before = np.zeros((3, 2))
    assert moved(before, before + np.eye(2)[0], real, kinds) == 0.5
    assert moved(before, before, real, kinds) == 0
    assert math.isnan(moved(before[:0], before[:0], real, kinds))
    assert math.isnan(moved(before, before, real[:1], [0]))


GOOD = {
    "leak": 0.01,
    "kept": 0.95,
    "foreground": 0.5,
    "background": 0.5,
    "objects_moved": 0.8,
    "backgrounds_moved": 0.8,
    "border": 1.0,
}


def test_one_that_keeps_codes_apart_passes_and_one_that_ignores_them_fails() -> None:
    assert missed(GOOD) == []
    plain = flat(50, within=80)
    still = {
        "leak": share_changed(plain, plain, ~INSIDE, 8),
        "kept": 1 - share_changed(plain, plain, INSIDE, 16),
        "foreground": share_changed(plain, plain, INSIDE, 16),
        "background": share_changed(plain, plain, ~INSIDE, 16),
        "objects_moved": 0.0,
        "backgrounds_moved": 0.0,
        "border": 1.0,
    }
    assert missed(still) == ["foreground", "background", "objects_moved", "backgrounds_moved"]


@pytest.mark.parametrize("name", AIMS)
def test_what_could_not_be_measured_is_missed(name: str) -> None:
    assert missed(GOOD | {name: float("nan")}) == [name]

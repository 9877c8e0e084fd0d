"""Looks: levels, large-scale brightness, mean and spread; which way up."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.generators.appearance import LOOKS, histogram, reinhard, residual, upside_down
from labelmint.types import Array


def cells(share: float, ground: float, cell: float, seed: int = 0, channels: int = 1) -> Array:
    """An image (32, 32, C) of noisy squares that cover about a share of the ground."""
    drawn, image = np.random.default_rng(seed), np.full((32, 32), float(ground))
    while (image == cell).mean() < share:
        row, column = drawn.integers(0, 28, 2)
        image[row : row + 4, column : column + 4] = cell
    return np.repeat((image + drawn.normal(0, 2, image.shape)).clip(0, 255)[..., None], channels, axis=2)


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_stays_within_the_levels_and_keeps_the_shape(look: str) -> None:
    one, other = cells(0.2, 20, 200, channels=3), cells(0.3, 90, 250, seed=1, channels=3)
    found = LOOKS[look](one, other)
    assert found.shape == one.shape and found.min() >= 0 and found.max() <= 255
    assert np.abs(found - one).mean() > 1
    assert np.allclose(LOOKS[look](one, one), one, atol=12)


def test_few_objects_take_the_levels_of_many_as_objects() -> None:
    few, many = cells(0.05, 10, 120), cells(0.35, 60, 230, seed=1)
    found = histogram(few, many)
    objects = few > 60
    assert abs(found[objects].mean() - 230) < 20
    assert abs(found[~objects].mean() - 60) < 20


def test_dark_objects_on_bright_ground_turn_bright_ones_around() -> None:
    bright, dark = cells(0.2, 10, 120), cells(0.2, 230, 90, seed=1)
    assert upside_down(bright, dark) and not upside_down(bright, bright)
    for look in (histogram, reinhard):
        found = look(bright, dark)
        assert found[bright > 60].mean() < found[bright <= 60].mean()


def test_a_grey_donor_makes_a_grey_image() -> None:
    colored = np.concatenate([cells(0.2, 20, 200), cells(0.2, 60, 90), cells(0.2, 30, 30)], axis=2)
    for look in (histogram, reinhard):
        assert np.ptp(look(colored, cells(0.3, 50, 220, channels=3)), axis=2).max() < 1e-6


@pytest.mark.parametrize("look", LOOKS)
def test_an_image_of_one_color_takes_any_look(look: str) -> None:
    """A view of nothing but ground is such an image, and a channel that a stain leaves empty."""
    flat, donor = np.full((32, 32, 1), 37.0), cells(0.3, 90, 250)
    assert np.isfinite(LOOKS[look](flat, donor)).all()
    assert np.isfinite(LOOKS[look](flat, flat)).all()
    assert np.isfinite(LOOKS[look](donor, flat)).all()


def test_channels_of_one_level_have_the_median_of_the_donor_s_and_give_their_level() -> None:
    one, other = cells(0.2, 20, 200), cells(0.3, 90, 250, seed=1)
    blank = np.zeros_like(one)
    found = histogram(
        np.concatenate([one, one, blank], axis=2), np.concatenate([other, blank, other], axis=2)
    )
    assert np.array_equal(found[..., :1], histogram(one, other))
    assert not found[..., 1].any()
    assert (found[..., 2] == np.median(other)).all()


def test_a_donor_of_one_color_leaves_the_image_its_look() -> None:
    image = cells(0.2, 20, 200)
    assert np.array_equal(histogram(image, np.full((8, 8, 1), 37.0)), image)


def test_a_residual_is_coarse() -> None:
    image, donor = cells(0.2, 20, 200), cells(0.3, 90, 250, seed=1)
    added = residual(image, donor) - image
    assert np.abs(np.diff(added, axis=0)).mean() < 0.5 * np.abs(np.diff(donor - image, axis=0)).mean()
    assert abs(added.mean() - (donor - image).mean()) < 20

"""Circles, turned boxes and windows of masks are the pixels that they mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.formats.joined_shapes import clipped, ellipse, inside, of_window, turned_box
from labelmint.formats.painting import box_of, decode


@pytest.mark.parametrize("radius", [0.05, 2, 50, 5000])
def test_a_circle_departs_by_a_tenth_of_a_pixel(radius: float) -> None:
    corners = np.reshape(ellipse(3, 4, radius, radius), (-1, 2)) - (3, 4)
    middles = (corners + np.roll(corners, 1, axis=0)) / 2
    assert np.allclose(np.hypot(*corners.T), radius)
    assert np.hypot(*middles.T).min() >= radius - 0.1 - 1e-9


def test_boxes_turn_clockwise_as_seen() -> None:
    corners = np.reshape(turned_box((0, 0, 4, 2), 30), (-1, 2))
    first = np.array([2 - 2 * math.cos(math.pi / 6) + 0.5, 1 - 1 - math.cos(math.pi / 6)])
    assert np.allclose(corners[0], first)
    assert np.allclose(corners.mean(axis=0), (2, 1))


def test_shapes_are_cut_at_the_border() -> None:
    assert sorted(zip(*[iter(clipped((-2, 1, 2, 1, 2, 3, -2, 3), (8, 9), "x"))] * 2, strict=True)) == [
        (0, 1),
        (0, 3),
        (2, 1),
        (2, 3),
    ]
    with pytest.raises(InputError, match="outside its image"):
        clipped((-5, 0, -3, 0, -3, 3), (8, 9), "x")


def test_the_part_inside_ends_on_the_border_itself() -> None:
    """Whatever the slopes: a corner that is cut has the border's own coordinate, not one that rounding made of it."""
    generator = np.random.default_rng(0)
    for _ in range(200):
        x, y, half = *generator.uniform(1, 7, 2), generator.uniform(1, 9)
        corners = turned_box((x - half, y - half, x + half, y + half), generator.uniform(0, 90))
        kept = np.reshape(inside(corners, (8, 9)), (-1, 2))
        assert kept.min() >= 0 and kept[:, 0].max() <= 9 and kept[:, 1].max() <= 8
    assert inside((-5, 0, -3, 0, -3, 3), (8, 9)) == ()


def test_windows_are_run_lengths_of_the_whole() -> None:
    numbers = np.random.default_rng(0)
    for share in (0.0, 0.3, 0.8, 1.0) * 25:
        height, width = numbers.integers(1, 8, 2)
        rows, columns = numbers.integers(1, height + 1), numbers.integers(1, width + 1)
        top, left = numbers.integers(0, height - rows + 1), numbers.integers(0, width - columns + 1)
        window = numbers.random((rows, columns)) < share
        whole = np.zeros((height, width), dtype=bool)
        whole[top : top + rows, left : left + columns] = window
        one = of_window(1, window, int(left), int(top), (int(height), int(width)), "x")
        assert one.rle is not None
        assert np.array_equal(decode(one.rle, (int(height), int(width))), whole)
        assert not whole.any() or one.box == box_of(whole)
    with pytest.raises(InputError, match="outside its image"):
        of_window(1, np.ones((2, 2), dtype=bool), 3, 0, (4, 4), "x")

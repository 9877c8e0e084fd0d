"""Half of Student's interval: by hand, of one value each, and how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.metrics.student import half_width


def test_it_is_the_one_of_the_textbook() -> None:
    # t of 2 degrees of freedom; a pooled variance of (0.5 + 2) / 2
    assert half_width([1.0, 2.0], [0.0, 2.0]) == pytest.approx(4.302653 * np.sqrt(1.25), rel=1e-6)
    assert half_width([1.0, 2.0, 3.0], [5.0], 0.9) == pytest.approx(2.919986 * np.sqrt(4 / 3), rel=1e-6)


def test_of_one_value_each_nothing_is_known() -> None:
    assert half_width([1.0], [5.0]) == 0
    assert half_width([1.0, 1.0], [5.0, 5.0]) == 0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_nineteen_of_twenty_intervals_hold_the_difference(count: int) -> None:
    draws = np.random.default_rng(0).normal(size=(400, 2, count))
    held = [abs(a.mean() - b.mean()) <= half_width(a, b) for a, b in draws]
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)

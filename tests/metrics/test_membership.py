"""The membership attack on known answers."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.membership import membership_auc, sample_distances


def test_the_auc_is_the_share_of_pairs_that_are_told_apart() -> None:
    assert membership_auc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert membership_auc(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 0
    assert membership_auc(np.ones(3), np.ones(5)) == 0.5
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 1, 7), rng.normal(0.5, 1, 11)
    pairs = [(m < o) + 0.5 * (m == o) for m in near for o in far]
    assert membership_auc(near, far) == pytest.approx(np.mean(pairs))
    with pytest.raises(InputError, match="members and others"):
        membership_auc(near, np.array([]))


def test_an_image_is_as_near_as_the_nearest_of_its_views_to_any_orientation_of_a_sample() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (5, 6, 6, 1)).astype(np.float64)
    other = rng.integers(0, 256, (1, 6, 6, 1)).astype(np.float64)
    turned = np.rot90(samples[3], axes=(0, 1)) + 2.0
    views = np.stack([other[0], turned, other[0]])
    plain = sample_distances(views, samples, [0, 0, 1])
    found = sample_distances(views, samples, [0, 0, 1], orientations=range(8))
    assert found[0] == pytest.approx(2.0)
    assert plain[0] > 20 and found[1] > 20

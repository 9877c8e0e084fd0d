"""What no labelled layout shows becomes ignore, object by object, and nothing else does."""

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.pool.check import Check, learn_check
from labelmint.types import Array


def layout(seed: int, squares: int, side: int = 4, second: bool = False) -> Array:
    """Squares of class 1 in a row, and one of class 2 below in some."""
    ids = np.zeros((32, 32), np.int16)
    rng = np.random.default_rng(seed)
    for k in range(squares):
        top = 2 + rng.integers(4)
        ids[top : top + side, 2 + 6 * k : 2 + 6 * k + side] = 1
    if second:
        ids[24:28, 4:8] = 2
    return ids


def pairs(count: int) -> list[Pair]:
    return [
        Pair(
            name=str(k),
            group=str(k),
            image=np.zeros((32, 32, 1), np.uint8),
            ids=layout(k, 2 + k % 2, 4 + k % 2, second=k % 3 == 0),
        )
        for k in range(count)
    ]


def check() -> Check:
    return learn_check(pairs(10), {0}, crop=False)


SURE = np.full((32, 32), 0.9)


def test_labelled_layouts_pass() -> None:
    for pair in pairs(10):
        checked = check()(pair.ids, SURE)
        assert np.array_equal(checked.ids, pair.ids)
        assert not checked.refused


def test_objects_of_sizes_never_seen_are_ignored_alone() -> None:
    ids = layout(0, 2)
    ids[12:30, 10:30] = 1
    ids[0, 31] = 1  # a speck
    checked = check()(ids, SURE)
    assert checked.refused == {"areas": 2}
    assert (checked.ids[12:30, 10:30] == -1).all()
    assert checked.ids[0, 31] == -1
    assert np.array_equal(checked.ids == 1, layout(0, 2) == 1)


def test_of_too_many_objects_the_most_doubtful_are_ignored() -> None:
    ids = layout(0, 5)
    sure = SURE.copy()
    sure[:, 8:14] = 0.6  # the second
    checked = check()(ids, sure)
    assert checked.refused == {"counts": 2}
    assert (checked.ids[:, 8:14] != 1).all()
    assert len(set(np.nonzero((checked.ids == 1).any(axis=0))[0] // 6)) == 3


def test_in_a_larger_image_there_may_be_more() -> None:
    ids = np.concatenate([layout(0, 3), layout(1, 3)])
    assert not learn_check(pairs(10), {0}, crop=True)(ids, np.full(ids.shape, 0.9)).refused


def test_ignored_pixels_are_no_objects() -> None:
    ids = layout(0, 2)
    ids[16:] = -1
    checked = check()(ids, SURE)
    assert np.array_equal(checked.ids, ids)


def test_classes_never_seen_together_are_parted() -> None:
    apart = [
        Pair(
            name=str(k),
            group=str(k),
            image=np.zeros((32, 32, 1), np.uint8),
            ids=np.where(layout(k, 3) == 1, 1 + k % 2, 0).astype(np.int16),
        )
        for k in range(40)
    ]
    both = np.where(layout(0, 3) == 1, 1, 0).astype(np.int16)
    both[24:28, 4:8] = 2
    sure = SURE.copy()
    sure[24:28, 4:8] = 0.7
    checked = learn_check(apart, {0}, crop=True)(both, sure)
    assert checked.refused == {"classes together": 1}
    assert (checked.ids[24:28, 4:8] == -1).all()

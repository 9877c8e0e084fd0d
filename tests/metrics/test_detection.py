"""Objects found again: the joint histograms give what a loop over the objects gives."""

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.detection import Matches, found_objects, matches

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_found_objects_equal_the_definition(share: float) -> None:
    objects, predicted = RNG.integers(0, 9, (12, 10)), RNG.integers(0, 2, (12, 10))
    classes = RNG.integers(0, 2, 8).tolist()
    slow = [(predicted[objects == i + 1] == kind).mean() >= share for i, kind in enumerate(classes)]
    assert found_objects(objects, classes, predicted, share).tolist() == slow


def test_half_of_an_object_is_enough_and_one_without_pixels_is_not_found() -> None:
    objects = np.repeat([[1, 1, 2, 2, 0, 3]], 2, axis=0).astype(np.uint64)
    predicted = np.array([[5, 5, 6, 1, 7, 7], [1, 1, 1, 1, 7, 7]])
    assert found_objects(objects, [5, 6, 7, 7], predicted).tolist() == [True, False, True, False]
    assert found_objects(np.zeros((2, 2), int), [], np.zeros((2, 2), int)).tolist() == []


def _blocks() -> np.ndarray:
    """Four squares of 4x4 with gaps."""
    objects = np.zeros((12, 12), int)
    for number, (top, left) in enumerate([(1, 1), (1, 7), (7, 1), (7, 7)], start=1):
        objects[top : top + 4, left : left + 4] = number
    return objects


def test_a_map_matches_itself_whatever_its_numbers() -> None:
    objects, classes = _blocks(), [0, 0, 1, 2]
    order = np.array([0, 3, 1, 4, 2])
    renumbered = [0, 0, 0, 0]
    for old, new in enumerate(order[1:]):
        renumbered[new - 1] = classes[old]
    assert matches(objects, classes, order[objects], renumbered) == {
        0: Matches(2, 0, 0),
        1: Matches(1, 0, 0),
        2: Matches(1, 0, 0),
    }


def test_overlap_below_the_threshold_and_other_classes_do_not_match() -> None:
    a = _blocks()
    b = np.roll(a, 1, axis=1)  # IoU 12 / 20 = 0.6
    assert matches(a, [0, 0, 1, 1], b, [0, 1, 1, 1], iou=0.6) == {0: Matches(1, 1, 0), 1: Matches(2, 0, 1)}
    assert matches(a, [0, 0, 1, 1], b, [0, 0, 1, 1], iou=0.61) == {0: Matches(0, 2, 2), 1: Matches(0, 2, 2)}
    assert matches(a, [3] * 4, np.zeros_like(a), []) == {3: Matches(0, 4, 0)}
    assert matches(np.zeros_like(a), [], np.zeros_like(a), [2]) == {2: Matches(0, 0, 1)}


def test_the_best_pair_is_taken_first_and_no_object_twice() -> None:
    a = np.array([[1, 1, 1, 1, 1, 1, 0, 0]])
    b = np.array([[1, 1, 2, 2, 2, 2, 2, 2]])  # 2 has the higher ratio with 1
    assert matches(a, [0], b, [0, 0], iou=0.3) == {0: Matches(1, 0, 1)}
    split = np.array([[1, 1, 1, 2, 2, 2, 0, 0]])  # each half has IoU 0.5
    assert matches(a, [0], split, [0, 0]) == {0: Matches(1, 0, 1)}


def test_matching_equals_a_loop_over_the_objects() -> None:
    for _ in range(20):
        a, b = RNG.integers(0, 5, (2, 6, 6))
        classes_a, classes_b = RNG.integers(0, 2, (2, 4)).tolist()
        assert matches(a, classes_a, b, classes_b, iou=0.1) == _slow(a, classes_a, b, classes_b, 0.1)


def _slow(
    a: np.ndarray, classes_a: list[int], b: np.ndarray, classes_b: list[int], iou: float
) -> dict[int, Matches]:
    pairs = []
    for i, kind in enumerate(classes_a, start=1):
        for j in (j for j, other in enumerate(classes_b, start=1) if other == kind):
            ratio = ((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum()
            pairs.append((-ratio, i, j, kind))
    taken_a, taken_b, both = set(), set(), {}
    for negative, i, j, kind in sorted(pairs):
        if -negative >= iou and i not in taken_a and j not in taken_b:
            taken_a.add(i), taken_b.add(j)
            both[kind] = both.get(kind, 0) + 1
    kinds = sorted({*classes_a, *classes_b})
    return {k: Matches(n := both.get(k, 0), classes_a.count(k) - n, classes_b.count(k) - n) for k in kinds}


def test_bad_arguments_are_refused() -> None:
    objects = np.array([[0, 1], [2, 2]])
    with pytest.raises(InputError, match="from 0 to 1"):
        found_objects(objects, [4], objects)
    with pytest.raises(InputError, match="one shape"):
        found_objects(objects, [4, 4], objects[:1])
    with pytest.raises(InputError, match="share must lie"):
        found_objects(objects, [4, 4], objects, share=0)
    with pytest.raises(InputError, match="iou must lie"):
        matches(objects, [4, 4], objects, [4, 4], iou=1.5)
    with pytest.raises(InputError, match="one shape"):
        matches(objects, [4, 4], objects[:1], [4, 4])
    with pytest.raises(InputError, match="from 0 to 2"):
        matches(objects, [4, 4], -objects, [4, 4])

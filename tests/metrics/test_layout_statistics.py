"""Statistics of layouts: known answers, agreement with scipy and with pixels counted one by one, distance 0
to itself.
"""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.helpers import canvases

from labelmint.errors import InputError
from labelmint.metrics.coherence import Scene, SceneObject, scene_objects
from labelmint.metrics.layout_statistics import (
    LayoutDistances,
    kolmogorov_smirnov,
    layout_distances,
    layout_statistics,
    total_variation,
)

CLASSES = tuple(range(1, 11))


@functools.cache
def scenes(name: str) -> list[Scene]:
    """The objects of 200 canvases."""
    return [scene_objects(pair.layout.label_map, pair.layout.instances, (0,)) for pair in canvases(name, 200)]


def largest(distances: LayoutDistances) -> float:
    values = dataclasses.asdict(distances).values()
    return max(max(v.values()) if isinstance(v, dict) else v for v in values)


def test_known_answers_of_two_scenes() -> None:
    left = SceneObject(1, (0.0, 0.0, 8.0, 16.0), 128)
    corner = SceneObject(2, (12.0, 12.0, 16.0, 16.0), 8)  # half of the pixels of its box
    found = layout_statistics([Scene((16, 16), (left, corner)), Scene((16, 16), (left, left))], (1, 2, 3))
    assert found.counts.tolist() == [[1, 1, 0], [2, 0, 0]]
    assert found.scenes == 2
    assert found.objects_an_image_by_class == {1: 1.5, 2: 0.5, 3: 0.0}
    assert found.area_fractions == pytest.approx([0.75, 8 / 256 / 2, 0])
    assert found.cooccurrence.tolist() == [[1, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    assert np.array_equal(found.occupancy[0], np.tile([1.5] * 4 + [0] * 4, (8, 1)))
    expected = np.zeros((8, 8))
    expected[6:, 6:] = 0.5 / 2
    assert np.array_equal(found.occupancy[1], expected)
    assert [values.tolist() for values in found.areas] == [[0.5, 0.5, 0.5], [8 / 256], []]


@pytest.mark.parametrize("composition", ["three", "upper", "pairs"])
def test_places_and_areas_equal_the_pixels_counted(composition: str) -> None:
    found = layout_statistics(scenes(composition), CLASSES)
    maps = np.stack([pair.layout.label_map for pair in canvases(composition, 200)])
    for k, class_id in enumerate(CLASSES):
        cells = (maps == class_id).reshape(-1, 8, 4, 8, 4).mean(axis=(0, 2, 4))
        assert found.occupancy[k] == pytest.approx(cells)
        assert found.area_fractions[k] == pytest.approx((maps == class_id).mean())
    assert found.occupancy.mean(axis=(1, 2)) == pytest.approx(found.area_fractions)


@pytest.mark.parametrize("composition", ["three", "upper", "pairs"])
def test_a_set_is_at_no_distance_from_itself_and_its_halves_are_near(composition: str) -> None:
    whole = layout_statistics(scenes(composition), CLASSES)
    shuffled = layout_statistics(scenes(composition)[::-1], CLASSES)
    assert largest(layout_distances(whole, whole)) == 0
    assert largest(layout_distances(whole, shuffled)) == pytest.approx(0, abs=1e-12)
    first, second = (layout_statistics(scenes(composition)[k::2], CLASSES) for k in (0, 1))
    halves = layout_distances(first, second)
    assert halves == layout_distances(second, first)
    assert halves.total_count_variation == 0
    assert max(halves.area_ks.values()) == 0
    assert halves.cooccurrence_difference < 0.05


def test_compositions_lie_apart_by_what_sets_them_apart() -> None:
    three, upper, pairs = (layout_statistics(scenes(name), CLASSES) for name in ("three", "upper", "pairs"))
    assert layout_distances(three, pairs).total_count_variation == 1
    assert layout_distances(three, upper).total_count_variation == 0
    halves = layout_distances(*(layout_statistics(scenes("three")[k::2], CLASSES) for k in (0, 1)))
    moved = layout_distances(three, upper)
    assert np.mean(list(moved.occupancy_difference.values())) > 1.2 * np.mean(
        list(halves.occupancy_difference.values())
    )
    assert min(moved.area_ks.values()) == 1  # 12x12 against 10x10 pixels
    assert layout_distances(three, pairs).cooccurrence_difference > 2 * halves.cooccurrence_difference


def test_areas_of_a_class_that_one_side_alone_holds_are_as_far_apart_as_can_be() -> None:
    one, two = ([Scene((8, 8), (SceneObject(k, (0.0, 0.0, 2.0, 2.0), 4),))] for k in (1, 2))
    found = layout_distances(layout_statistics(one, (1, 2, 3)), layout_statistics(two, (1, 2, 3)))
    assert found.area_ks == {1: 1, 2: 1}  # neither holds 3
    assert found.count_variation == {1: 1, 2: 1, 3: 0}
    assert (
        layout_distances(layout_statistics(one, (1,)), layout_statistics(one, (1,))).cooccurrence_difference
        == 0
    )


numbers = st.lists(st.integers(0, 9), min_size=1, max_size=40).map(np.array)


@given(numbers, numbers)
def test_distances_of_samples_agree_with_scipy_and_their_definition(a: np.ndarray, b: np.ndarray) -> None:
    points = np.union1d(a, b)
    apart = stats.ecdf(a).cdf.evaluate(points) - stats.ecdf(b).cdf.evaluate(points)
    assert kolmogorov_smirnov(a / 7, b / 7) == pytest.approx(np.abs(apart).max())
    slow = sum(abs((a == k).mean() - (b == k).mean()) for k in range(10)) / 2
    assert total_variation(a, b) == pytest.approx(slow)
    assert total_variation(a, b) == total_variation(b, a) <= 1


def test_bad_input_is_refused() -> None:
    scene = Scene((8, 8), ())
    for scenes, classes in (([], (1,)), ([scene], ()), ([scene], (1, 1))):
        with pytest.raises(InputError, match="layout statistics need"):
            layout_statistics(scenes, classes)
    with pytest.raises(InputError, match="same classes"):
        layout_distances(layout_statistics([scene], (1,)), layout_statistics([scene], (2,)))
    for distance in (total_variation, kolmogorov_smirnov):
        with pytest.raises(InputError, match="not be empty"):
            distance(np.zeros(0, np.int64), np.zeros(3, np.int64))

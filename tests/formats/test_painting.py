"""Painting: pixel centers, small objects on top, and back to objects without loss."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from labelmint.errors import InputError
from labelmint.formats.painting import (
    area_of,
    box_of,
    object_at,
    objects_from_instances,
    paint,
    rle_of,
    without_pixels,
)
from labelmint.types import LayoutObject

# pycocotools under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (6, 7)


def box(*edges: float, class_id: int = 1) -> LayoutObject:
    x0, y0, x1, y1 = edges
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-2, 9), st.floats(-2, 9), st.floats(0, 5), st.floats(0, 5))
def test_a_box_covers_the_pixels_whose_centers_it_holds(x0: float, y0: float, w: float, h: float) -> None:
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    expected = (x0 <= xs) & (xs < x0 + w) & (y0 <= ys) & (ys < y0 + h)
    assert np.array_equal(paint([box(x0, y0, x0 + w, y0 + h)], SIZE)[0], expected)


def test_small_objects_stay_visible_in_any_order() -> None:
    small, large = box(2, 2, 4, 4, class_id=2), box(0, 0, 6, 6, class_id=1)
    for objects in ([small, large], [large, small]):
        label_map, instances = paint(objects, SIZE)
        assert (label_map == 2).sum() == 4 and (label_map == 1).sum() == 32
        assert np.array_equal(np.unique(instances[label_map == 2]), [objects.index(small) + 1])


@pytest.mark.parametrize(
    ("level", "hidden"), [(5, True), (0, False), (-1, False), (True, False), ("5", False)]
)
def test_a_higher_level_lies_above_whatever_its_size(level: object, hidden: bool) -> None:
    """An object without a level, or with one that is no whole number, is of level 0."""
    small, large = box(2, 2, 4, 4, class_id=2), replace(box(0, 0, 6, 6), attributes={"z_order": level})
    for objects in ([small, large], [large, small]):
        assert (paint(objects, SIZE)[0] == 2).any() == (not hidden)
    raised = replace(small, attributes={"z_order": 6})
    assert (paint([raised, large], SIZE)[0] == 2).sum() == 4


def test_ids_above_255_take_16_bits_and_the_ground_is_the_background() -> None:
    label_map, instances = paint([box(0, 0, 1, 1, class_id=300)], SIZE, background=4)
    assert label_map.dtype == np.uint16 and label_map[0, 0] == 300 and (label_map == 4).sum() == 41
    assert paint([], SIZE)[0].dtype == np.uint8 and not paint([], SIZE)[1].any() and instances[0, 0] == 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    arrays.arrays(np.uint8, SIZE, elements=st.integers(0, 3)),
    st.none() | arrays.arrays(np.uint16, SIZE, elements=st.integers(0, 3)),
)
def test_maps_come_back_from_their_objects(label_map: np.ndarray, instances: np.ndarray | None) -> None:
    if instances is not None:  # an instance is of one class
        instances = np.where(label_map > 0, label_map * 4 + instances, 0).astype(np.uint16)
    objects = objects_from_instances(label_map, instances)
    painted, again = paint(objects, SIZE)
    assert np.array_equal(painted, label_map)
    assert [one.box for one in objects] == [box_of(again == i + 1) for i in range(len(objects))]
    if instances is not None:
        assert np.array_equal(
            np.unique(instances[instances > 0], return_inverse=True)[1] + 1, again[again > 0]
        )


def test_an_instance_has_the_class_of_most_of_its_pixels() -> None:
    label_map = np.array([[1, 2, 2, 0, 0, 0], [0, 0, 0, 0, 3, 0]], dtype=np.uint8)
    instances = np.array([[5, 5, 5, 5, 5, 5], [0, 7, 0, 0, 0, 0]], dtype=np.uint16)
    objects = objects_from_instances(label_map, instances)
    assert [(one.class_id, one.box) for one in objects] == [
        (2, (0, 0, 6, 1)),
        (1, (0, 0, 1, 1)),  # the rest of it
        (3, (4, 1, 5, 2)),
    ]


def test_polygons_are_painted_as_pycocotools_does() -> None:
    polygons = (
        (1.0, 1.0, 6.2, 1.5, 3.0, 5.0),
        (-1.5, 0.0, 1.0, 0.0, 0.0, 2.0),
        (5.0, 4.0, 8.9, 4.0, 8.9, 7.9),
    )
    one = LayoutObject(class_id=1, box=(0, 0, 7, 6), polygons=polygons)
    expected = coco.merge(coco.frPyObjects([list(polygon) for polygon in polygons], *SIZE))
    assert np.array_equal(paint([one], SIZE)[0], coco.decode(expected))
    assert area_of(one, SIZE) == coco.area(expected)
    assert rle_of(box(0, 0, 1, 1), SIZE) is None and area_of(box(0, 0, 1.5, 2), SIZE) == 3


def test_nothing_has_no_box() -> None:
    with pytest.raises(InputError):
        box_of(np.zeros(SIZE, dtype=bool))


def test_objects_without_pixels_are_those_that_paint_none() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(-1, 12, (60, 2)).round(2)
    sides = rng.choice([0, 0.1, 0.6, 3], (60, 2))
    objects = []
    for number, ((x, y), (w, h)) in enumerate(zip(corners.tolist(), sides.tolist(), strict=True)):
        outline = (x, y, x + w, y, x + w, y + h)
        empty = {"size": [9, 12], "counts": "\\3"}
        shape = [{}, {"polygons": (outline,)}, {"polygons": (outline, (0.0,) * 6)}, {"rle": empty}][
            number % 4
        ]
        objects.append(LayoutObject(class_id=1, box=(x, y, x + w, y + h), **shape))
    alone = [paint([one], (9, 12))[1].any() for one in objects]
    assert 0 < without_pixels(objects, (9, 12)) == len(objects) - sum(alone) < len(objects)


def test_an_object_of_a_window_has_the_run_lengths_of_the_whole_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        height, width = rng.integers(1, 9, 2).tolist()
        (top, bottom), (left, right) = (sorted(rng.integers(0, n + 1, 2).tolist()) for n in (height, width))
        inside = rng.random((bottom - top, right - left)) < 0.6
        whole = np.zeros((height, width), np.uint8, order="F")
        whole[top:bottom, left:right] = inside
        one = object_at(1, ((slice(top, bottom), slice(left, right)), inside), whole.shape)
        assert one.rle == {"size": [height, width], "counts": coco.encode(whole)["counts"].decode()}


def test_a_piece_costs_its_window_and_not_its_image() -> None:
    tracemalloc.start()
    one = object_at(1, ((slice(9, 11), slice(5, 8)), np.ones((2, 3), bool)), (20_000, 20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert one.box == (5, 9, 8, 11) and peak < 1 << 20

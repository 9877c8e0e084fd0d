"""Enlarged layouts: squares of pixels, objects scaled alike, and no class that was not there."""

import numpy as np
import pytest

from labelmint.datasets.enlarged_layouts import averaged, enlarged_layout, repeated
from labelmint.formats.painting import object_at, paint
from labelmint.types import Layout, LayoutObject

SIZE = (9, 12)


def shapes() -> tuple[LayoutObject, ...]:
    """A box, a polygon and pixels."""
    inside = np.array([[True, False, True], [True, True, False]])
    return (
        LayoutObject(class_id=3, box=(1, 1, 5, 4)),
        LayoutObject(class_id=9, box=(4, 2, 10, 8), polygons=((4.0, 2.0, 10.0, 2.0, 10.0, 8.0, 4.0, 8.0),)),
        object_at(7, ((slice(5, 7), slice(0, 3)), inside), SIZE),
    )


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_objects_are_painted_enlarged_as_their_maps_are(factor: int) -> None:
    label_map, instances = paint(shapes(), SIZE)
    made = enlarged_layout(Layout(label_map=label_map, instances=instances, objects=shapes()), factor)
    again = paint(made.objects, made.size)
    assert np.array_equal(again[0], made.label_map)
    assert np.array_equal(again[1], made.instances)


def test_a_map_holds_the_classes_that_it_held_each_as_often() -> None:
    label_map = np.random.default_rng(0).choice(np.array([0, 7, 255, 4000], np.uint16), SIZE)
    made = enlarged_layout(Layout(label_map=label_map), 3)
    assert made.label_map.dtype == label_map.dtype and made.instances is None
    assert np.array_equal(made.label_map[1::3, 2::3], label_map)
    for one in np.unique(made.label_map):
        assert (made.label_map == one).sum() == 9 * (label_map == one).sum()


def test_averages_of_squares_give_an_image_back() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    assert np.array_equal(averaged(repeated(image, 3), 3), image)
    assert averaged(image, 1) is image

"""Label maps of boxes: outlines of the data's objects within the boxes, on a ground that the data have."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from labelmint.layouts.shapes import ShapeBank
from labelmint.types import Array

FIRST = {1: 1, 2: 1, 3: 3}  # two colors of one class, and another


def disk(size: int, middle: tuple[int, int], radius: int) -> Array:
    rows, columns = np.ogrid[:size, :size]
    found: Array = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 <= radius**2
    return found


def bank(ground: int | None) -> ShapeBank:
    """Two layouts: a disk of symbol 2 on road (0) under sky (4), and a square of symbol 3 on road alone."""
    ids = np.zeros((2, 32, 32), np.uint8)
    ids[0, :8] = 4
    ids[0][disk(32, (16, 10), 6)] = 2
    ids[1, 20:28, 20:28] = 3
    boxes = np.full((2, 2, 5), -1.0)
    boxes[0, 0] = [1, 4, 10, 17, 23]
    boxes[1, 0] = [3, 20, 20, 28, 28]
    return ShapeBank(ids, boxes, FIRST, ground)


def test_a_box_holds_a_shape_of_its_class_that_touches_its_sides() -> None:
    symbols, instances = bank(0).draw(np.array([[1.0, 2, 2, 22, 22], [3, 24, 24, 30, 30]]), [0.5, 0.5, 0.5])
    assert set(np.unique(symbols)) == {0, 1, 3}
    for number, box in ((1, (2, 2, 22, 22)), (2, (24, 24, 30, 30))):
        (rows, columns), *_ = ndimage.find_objects((instances == number).astype(int))
        assert (columns.start, rows.start, columns.stop, rows.stop) == box
    assert not instances[2, 2] and instances[12, 12] == 1  # a disk has no corners
    assert (instances[24:30, 24:30] == 2).all()


def test_the_ground_is_that_of_the_most_similar_layout_without_its_objects() -> None:
    made = bank(None)
    under_sky, _ = made.draw(np.array([[1.0, 5, 11, 16, 22]]), [0.0, 0.0])
    road, _ = made.draw(np.array([[3.0, 19, 19, 29, 29]]), [0.0, 0.0])
    assert set(np.unique(under_sky)) == {0, 1, 4} and (under_sky[0] == 4).all()
    assert set(np.unique(road)) == {0, 3}
    assert (road[:19] == 0).all() and (road[19:29, 19:29] == 3).all()


def test_no_object_is_a_ground_alone_and_the_smallest_box_has_a_pixel() -> None:
    symbols, instances = bank(None).draw(np.zeros((0, 5)), [0.9])
    assert not instances.any() and not np.isin(symbols, [1, 2, 3]).any()
    symbols, _ = bank(0).draw(np.array([[1.0, 3.4, 3.4, 3.6, 3.6]]), [0.1, 0.1])
    assert (symbols == 1).sum() == 1

"""Shapes of objects in Pascal VOC: each is an instance of SegmentationObject, whatever its number; and VOC's flags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.formats.test_round_trip import CLASSES, OBJECT_LAYOUTS, RING, box, painted, pair, parts, shaped
from tests.formats.test_voc import SIZE, put, sheet, thing, voc

from labelmint.formats import read, write
from labelmint.formats.painting import PaintedLayout, decode
from labelmint.formats.voc_classes import voc_color
from labelmint.types import Finding, Layout


def told_of(layout: Layout, path: Path) -> tuple[Layout, dict[str, str]]:
    """A layout as it comes back from VOC, and what was told."""
    told: list[Finding] = []
    write([pair("a", layout)], path, format="voc", classes=CLASSES, tell=told.append)
    return read(path)[0].layout, {finding.kind: finding.text for finding in told}


@pytest.mark.parametrize("format", ["coco", "labelme", "cvat", "yolo"])
def test_shapes_that_others_hide_do_not_grow_to_their_boxes(format: str, tmp_path: Path) -> None:
    given = painted(shaped(RING), shaped(RING, 3), box(10, 0, 12, 2))
    back, told = told_of(given, tmp_path / "voc")
    assert told == {
        "overlaps approximated": "the format voc: 1 shapes keep the pixels alone that no other object hides"
    }
    hidden = back.objects[0]
    assert hidden.box == given.objects[0].box and hidden.rle is not None
    assert not decode(hidden.rle, given.size).any()
    write([pair("a", back)], tmp_path / "out", format=format, classes=CLASSES)
    data = read(tmp_path / "out")
    names = [data.classes.name_of(i) for i in data[0].layout.label_map.ravel()]
    assert names == [CLASSES.name_of(i) for i in given.label_map.ravel()]


def test_each_shape_keeps_its_instance_whatever_its_number(tmp_path: Path) -> None:
    """Instances are in another order than the objects, above 254, lack a shape, or are none at all."""
    first, second, third = (shaped(parts((y, y), (y, y + 1))) for y in (1, 4, 7))
    objects = first, second, box(9, 0, 12, 2), third
    layout = painted(*objects)
    assert layout.instances is not None
    for k, numbers in enumerate(([0, 7, 5, 3, 9], [0, 700, 5, 3, 300], [0, 7, 5, 3, 0], None)):
        ids = None if numbers is None else np.array(numbers, np.uint16)[layout.instances]
        given = Layout(label_map=layout.label_map, instances=ids, objects=objects)
        back, told = told_of(given, tmp_path / f"{k}")
        assert ("instances approximated" in told) == (k == 1) and "overlaps approximated" not in told
        assert back.objects == objects
        assert np.array_equal(back.label_map, layout.label_map)


def test_many_hidden_shapes_do_not_take_the_instances_of_others(tmp_path: Path) -> None:
    """The numbers that a palette holds are those of shapes that are seen."""
    shapes = [*([shaped(RING)] * 300), shaped(parts((8, 0))), shaped(parts((8, 11)))]
    back, _ = told_of(PaintedLayout(shapes, painted().size), tmp_path / "out")
    counts = [int(decode(one.rle, back.size).sum()) for one in back.objects if one.rle is not None]
    assert counts == [0] * 299 + [int(RING.sum()), 1, 1] and back.objects[-2:] == tuple(shapes[-2:])


def test_the_pixels_of_a_shape_are_those_of_the_next_instance_in_sets_of_before(tmp_path: Path) -> None:
    write([pair("a", OBJECT_LAYOUTS["hole"])], tmp_path, format="voc", classes=CLASSES)
    file = tmp_path / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace('<segmented instance="1">', "<segmented>"))
    assert read(tmp_path)[0].layout.objects == OBJECT_LAYOUTS["hole"].objects


def test_instances_in_another_order_than_the_boxes_are_found(tmp_path: Path) -> None:
    """By class and place; of two that fit, by the greater overlap."""
    ids, instances = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for number, class_id, rows, columns in ((3, 8, 0, 0), (1, 15, 0, 4), (2, 8, 3, 4)):
        for k in range(3):  # a triangle
            ids[rows + k, columns : columns + k + 1] = class_id
            instances[rows + k, columns : columns + k + 1] = number
    things = thing("cat", (1, 1, 3, 3)), thing("cat", (5, 4, 7, 6)), thing("person", (5, 1, 7, 3))
    voc(tmp_path, {"a": sheet(*things)}, {"a": ids})
    put(tmp_path / "SegmentationObject" / "a.png", instances, [voc_color(i) for i in range(256)])
    found = read(tmp_path)[0].layout.objects
    shapes = [decode(one.rle, SIZE) for one in found if one.rle is not None]
    assert [np.array_equal(shape, instances == k) for shape, k in zip(shapes, (3, 2, 1), strict=True)] == [
        True
    ] * 3


def test_flags_of_voc_are_whole_numbers_as_programs_ask_for(tmp_path: Path) -> None:
    back, told = told_of(painted(box(0, 0, 2, 2, difficult=True, truncated=False, x=True)), tmp_path / "out")
    assert repr(dict(back.objects[0].attributes)) == "{'difficult': 1, 'truncated': 0, 'x': True}"
    assert told["attributes approximated"].startswith("the format voc: 2 true and false of ")
    assert "<difficult>1</difficult>" in (tmp_path / "out" / "Annotations" / "a.xml").read_text()

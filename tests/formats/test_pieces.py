"""The objects of a layout say its whole label map, but for ground that lies under them, which is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.formats.samples import SIZE, box, painted, pair, shaped

from labelmint.formats import pieces, read, write
from labelmint.formats.painting import PaintedLayout, decode, paint
from labelmint.formats.pieces import objects_of
from labelmint.types import ClassInfo, ClassSet, Finding, Layout, LayoutObject

NAMES = ("background", "cell", "tube")
CLASSES = ClassSet(tuple(ClassInfo(id=i, name=name) for i, name in enumerate(NAMES)))
ROADS = ClassSet(tuple(ClassInfo(id=i, name=name) for i, name in enumerate(("road", "cell", "tube"))))
eighths = st.integers(-8, 80).map(lambda n: n / 8)
places = eighths, eighths, st.integers(1, 6), st.integers(1, 6), st.integers(1, 2), st.integers(-1, 1)
boxes = st.tuples(*places).map(
    lambda v: box(v[0], v[1], v[0] + v[2], v[1] + v[3], class_id=v[4], z_order=v[5])
)
masks = arrays.arrays(np.uint8, SIZE, elements=st.integers(0, 1)).filter(np.any)
some_objects = st.lists(boxes | st.builds(shaped, masks, st.integers(1, 2)), max_size=4)
maps = arrays.arrays(np.uint8, SIZE, elements=st.sampled_from([0, 0, 1, 2, 255]))
instances = arrays.arrays(np.uint16, SIZE, elements=st.sampled_from([0, 0, 1, 2, 7]))


class Told:
    """What was told, with counts."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    def __call__(self, kind: str, what: str, count: int | Mapping[str, int]) -> None:
        of = {what: count} if isinstance(count, int) else count
        self.counts.setdefault(kind, Counter()).update(of)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(maps, st.none() | instances, some_objects, st.sampled_from([CLASSES, ROADS]))
def test_painting_the_objects_gives_the_label_map(
    label_map: np.ndarray, ids: np.ndarray | None, objects: list[LayoutObject], classes: ClassSet
) -> None:
    told = Told()
    layout = Layout(label_map=label_map, instances=ids, objects=tuple(objects))
    found = objects_of(layout, classes, told)
    assert [(one.class_id, one.box) for one in found[: len(objects)]] == [
        (o.class_id, o.box) for o in objects
    ]
    ground = 255 if classes.ground is None else classes.ground
    again, drawn = paint(found, SIZE, ground)
    wrong = again != label_map
    assert (label_map[wrong] == ground).all() and (drawn[wrong] > 0).all()
    assert told.counts.get("maps lost", Counter()).total() == wrong.sum()


def windows_of(*windows: tuple[int, int, int, int, int]) -> np.ndarray:
    """An array (H, W) of 0 with each number in its rows and columns."""
    found = np.zeros(SIZE, dtype=np.uint8)
    for number, y0, y1, x0, x1 in windows:
        found[y0:y1, x0:x1] = number
    return found


# A map that says more than its one object: a rim to ignore, an instance that nobody annotated, and ground in the box.
CELL = windows_of((255, 0, 6, 0, 6), (1, 1, 5, 1, 5), (2, 6, 9, 8, 11), (0, 4, 5, 4, 5))
MORE = Layout(label_map=CELL, objects=(box(1, 1, 5, 5, note="seen"),))


@pytest.mark.parametrize("format", ["coco", "labelme", "cvat", "yolo"])
def test_formats_of_objects_carry_what_no_object_says_and_tell_it(format: str, tmp_path: Path) -> None:
    told: list[Finding] = []
    out = write([pair("a", MORE)], tmp_path / "out", format=format, classes=CLASSES, tell=told.append)
    data = read(out)
    names = np.array([data.classes.name_of(i) for i in data[0].layout.label_map.ravel()]).reshape(SIZE)
    given = np.array([CLASSES.name_of(i) for i in CELL.ravel()]).reshape(SIZE)
    lost = (given == "ignore") & (format == "yolo")
    lost[4, 4] = True
    assert np.array_equal(names != given, lost)
    texts = {one.kind: one.text for one in told}
    assert texts["maps lost"].endswith(" 1 pixels of label maps lie under objects and are lost: background 1")
    rim = "" if format == "yolo" else "ignore 20, "
    assert texts["maps added"].endswith(f" are written as further objects: {rim}tube 9")
    assert ("ignore lost" in texts) == (format == "yolo")


def test_layouts_that_were_painted_from_their_objects_are_not_painted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = (box(1, 1, 5, 5), box(2, 2, 4, 4, class_id=2))
    monkeypatch.setattr(pieces, "paint", lambda *given: pytest.fail("painted"))
    assert objects_of(PaintedLayout(objects, SIZE), CLASSES) == objects
    assert objects_of(PaintedLayout((), SIZE, 255), ROADS) == ()


def test_what_no_object_covers_is_said_where_it_is_another_ground() -> None:
    """Of a set without ground, merged with one that has some: what no object covers is ignored there."""
    layout = PaintedLayout((box(1, 1, 5, 5),), SIZE, 255)
    label_map, _ = paint(objects_of(layout, CLASSES), SIZE)
    assert np.array_equal(label_map, layout.label_map)


def test_boxes_take_the_shapes_of_their_instances_whatever_these_are_numbered(tmp_path: Path) -> None:
    ids = windows_of((7, 0, 4, 0, 4), (0, 0, 2, 0, 2), (3, 5, 9, 5, 9), (0, 8, 9, 8, 9), (5, 0, 3, 9, 12))
    label_map = np.where(ids == 5, 2, ids > 0).astype(np.uint8)
    given = box(5, 5, 9, 9), box(0, 0, 4, 4), box(9, 0, 12, 3, class_id=2)
    layout = Layout(label_map=label_map, instances=ids, objects=given)
    told = Told()
    first, second, filled = objects_of(layout, CLASSES, told)
    assert told.counts["instances approximated"].total() == 2
    for one, index in ((first, 3), (second, 7)):
        assert one.rle is not None and np.array_equal(decode(one.rle, SIZE), ids == index)
    assert filled == given[2]
    (back,) = read(write([pair("a", layout)], tmp_path / "out", format="coco", classes=CLASSES))
    assert np.array_equal(back.layout.label_map, label_map)


def test_what_a_box_smaller_than_a_pixel_would_hide_is_told() -> None:
    label_map = windows_of((2, 3, 4, 3, 4))
    told = Told()
    layout = Layout(label_map=label_map, objects=(box(3.4, 3.4, 3.6, 3.6),))
    assert objects_of(layout, CLASSES, told) == layout.objects
    assert told.counts["maps lost"] == {"tube": 1}


def test_every_class_of_an_instance_is_an_object() -> None:
    label_map = windows_of((1, 0, 4, 0, 4), (2, 0, 1, 0, 2), (0, 3, 4, 3, 4))
    ids = windows_of((9, 0, 4, 0, 4))
    told = Told()
    found = objects_of(Layout(label_map=label_map, instances=ids), CLASSES, told)
    assert [(one.class_id, one.box) for one in found] == [(1, (0, 0, 4, 4)), (2, (0, 0, 2, 1))]
    assert told.counts["maps lost"] == {"background": 1}
    assert painted(*found).label_map[0, :3].tolist() == [2, 2, 1]

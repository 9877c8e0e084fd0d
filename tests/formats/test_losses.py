"""What is told of a conversion is what became of its pairs: what none of them has, and what comes back, is not told."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.formats.samples import CLASSES, SIZE, box, outline, painted, pair, shaped

from labelmint.formats import write
from labelmint.formats.painting import PaintedLayout, hidden, paint
from labelmint.types import ClassSet, Finding, Layout, LayoutObject

PLAIN = ClassSet(tuple(info for info in CLASSES.classes if info.color is None))


def told_of(format: str, *layouts: Layout, path: Path, classes: ClassSet = PLAIN) -> list[str]:
    """What is told of layouts that are written."""
    told: list[Finding] = []
    pairs = [pair(f"{i}", layout) for i, layout in enumerate(layouts)]
    write(pairs, path / "out", format=format, classes=classes, tell=told.append)
    return [finding.text.removeprefix(f"the format {format}: ") for finding in told]


LITTLE: dict[str, tuple[str, list[Layout], list[str]]] = {
    "boxes alone": ("yolo", [painted(box(1, 1, 5, 5, class_id=3), box(2, 2, 9, 9, class_id=3))], []),
    "nothing": ("yolo", [painted()], []),
    "an empty map": ("yolo", [Layout(label_map=np.zeros(SIZE, np.uint8))], []),
    "empty maps": (
        "coco",
        [Layout(label_map=np.zeros(SIZE, np.uint8), instances=np.zeros(SIZE, np.uint8))],
        [],
    ),
    "attributes with a place": (
        "cvat",
        [painted(box(1, 1, 5, 5, class_id=3, score=0.5, who="x", sure=True))],
        [],
    ),
    "an attribute of two types": (
        "cvat",
        [painted(box(1, 1, 5, 5, class_id=3, score=0.5), box(1, 1, 5, 5, class_id=3, score="high"))],
        ["1 values of attributes become text"],
    ),
    "boxes that overlap": (
        "voc",
        [
            painted(
                box(1, 1, 5, 5, class_id=3),
                box(2, 2, 9, 9, class_id=3),
                shaped(np.eye(*SIZE, dtype=np.uint8), 3),
            )
        ],
        [],
    ),
    "boxes that meet": (
        "coco-panoptic",
        [painted(shaped(np.eye(*SIZE, dtype=np.uint8), 3), shaped(np.eye(*SIZE, k=1, dtype=np.uint8), 3))],
        [],
    ),
    "objects that lie above others": (
        "yolo",
        [painted(box(1, 1, 9, 9, class_id=3, z_order=2), box(2, 2, 5, 5, class_id=3))],
        [
            "1 objects lose their attributes",
            "1 objects lose their z_order, and lie above others by their size alone",
        ],
    ),
    "an outline in a set of boxes": (
        "yolo",
        [
            painted(box(1, 1, 5, 5, class_id=3)),
            painted(outline((1, 1, 5, 1, 5, 5), box=(1, 1, 5, 5), class_id=3)),
            painted(box(1, 1, 5, 5, class_id=3), box(0, 0, 2, 2, class_id=3)),
        ],
        ["3 boxes are written as outlines of four corners, for the set has outlines"],
    ),
}


@pytest.mark.parametrize("name", LITTLE)
def test_what_comes_back_is_not_told(name: str, tmp_path: Path) -> None:
    format, layouts, expected = LITTLE[name]
    classes = ClassSet(PLAIN.classes[:2], PLAIN.ignore)  # none with an id above 255
    assert told_of(format, *layouts, path=tmp_path, classes=classes) == expected


def test_objects_are_hidden_whose_pixels_others_take() -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(-1, 9, (12, 2, 2))
    objects = [box(*low, *high) for low, high in zip(corners.min(1), corners.max(1), strict=True)]
    objects += [shaped((random.random(SIZE) < 0.2).astype(np.uint8)) for _ in range(4)]
    drawn = paint(objects, SIZE)[1]
    alone = [paint([one], SIZE)[1] for one in objects]
    expected = sum(bool(((one > 0) & (drawn != i + 1)).any()) for i, one in enumerate(alone))
    assert 0 < expected < len(objects)
    assert hidden(painted(*objects)) == hidden(PaintedLayout(objects, SIZE)) == expected


def test_thousands_of_objects_take_memory_for_each_and_not_for_pairs_of_them() -> None:
    places = np.random.default_rng(0).uniform(0, 300, (1200, 2)).tolist()
    objects = [LayoutObject(class_id=1, box=(x, y, x + 9, y + 9)) for x, y in places]
    layout = PaintedLayout(objects, (300, 300))
    tracemalloc.start()
    count = hidden(layout)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 300 < count < 1200 and peak < 6e6

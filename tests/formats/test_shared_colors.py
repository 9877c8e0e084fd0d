"""Classes of one color are written so that they can be read again, and the color that is lost is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.formats.samples import HOLDING_LAYOUTS, box, painted, pair

from labelmint.formats import FORMATS, read, write
from labelmint.formats.class_list import dump_classes, read_classes
from labelmint.types import ClassInfo, ClassSet, Finding

RED = (128, 0, 0)
CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cat", color=RED),
        ClassInfo(id=2, name="dog", color=RED),
        ClassInfo(id=3, name="cow", color=(0, 128, 0)),
    )
)


@pytest.mark.parametrize("format", HOLDING_LAYOUTS)
def test_classes_of_one_color_are_told_apart_when_read_again(format: str, tmp_path: Path) -> None:
    layout = painted(box(0, 0, 3, 3), box(4, 0, 8, 4, class_id=2), box(4, 5, 6, 7, class_id=3))
    told: list[Finding] = []
    out = write([pair("a", layout)], tmp_path / "out", format=format, classes=CLASSES, tell=told.append)
    data = read(out)
    assert data.classes.names == CLASSES.names
    named = np.vectorize(data.classes.name_of)(data[0].layout.label_map)
    np.testing.assert_array_equal(named, np.vectorize(CLASSES.name_of)(layout.label_map))
    lost = [one.names for one in told if one.kind == "shared colors lost"]
    assert lost == ([] if FORMATS[format].shares_colors else [("cat", "dog")])
    if lost:
        assert [one.color for one in data.classes.classes][1:] == [None, None, (0, 128, 0)]


def test_a_list_of_classes_can_always_be_read(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(dump_classes(CLASSES))
    classes, colors = read_classes(tmp_path / "classes.json", ())
    assert classes is not None and classes.names == CLASSES.names
    assert colors == {(0, 128, 0): 3}

"""COCO panoptic: label maps and instances come back exactly, and segments of other tools mean what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from labelmint.contracts import check_format
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

SIZE = (5, 7)
CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cell", color=(9, 8, 7)),
        ClassInfo(id=700, name="Röhre", category=3),
    ),
    ignore=(9, 255),
)
ROADS = ClassSet((ClassInfo(id=0, name="road"), ClassInfo(id=1, name="car"), ClassInfo(id=255, name="sky")))


def pair(name: str, label_map: np.ndarray, instances: np.ndarray | None = None) -> AnnotatedImage:
    image = np.random.default_rng(len(name)).integers(0, 256, (*label_map.shape, 3), dtype=np.uint8)
    return AnnotatedImage(name=name, image=image, layout=Layout(label_map=label_map, instances=instances))


def check(pairs: list[AnnotatedImage], classes: ClassSet, path: Path) -> None:
    check_format(
        read, lambda some, to, of: write(some, to, format="coco-panoptic", classes=of), pairs, classes, path
    )


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    label_map=arrays.arrays(np.uint16, SIZE, elements=st.sampled_from([0, 1, 9, 255, 700])),
    instances=st.none() | arrays.arrays(np.uint16, SIZE, elements=st.sampled_from([0, 1, 2, 65535])),
    roads=st.booleans(),
)
def test_maps_survive(
    label_map: np.ndarray, instances: np.ndarray | None, roads: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the instances are: of several classes, of ignored pixels, of the ground."""
    if roads:
        label_map = np.select([label_map == 255, label_map > 0], [255, 1], 0)
    label_map = label_map.astype(np.uint8 if label_map.max() <= 255 else np.uint16)
    pairs = [pair("a", label_map, instances), pair("bü.1", label_map * 0)]
    check(pairs, ROADS if roads else CLASSES, tmp_path_factory.mktemp("any"))


def test_parts_have_files_of_their_own(tmp_path: Path) -> None:
    pairs = {name: pair(name, np.full(SIZE, i, dtype=np.uint8)) for i, name in enumerate("ab")}
    data = DataSet(
        source="x",
        format="x",
        classes=CLASSES,
        names=tuple(pairs),
        load=pairs.__getitem__,
        train=("a",),
        test=("b",),
    )
    out = write(data, tmp_path / "out", format="coco-panoptic", classes=CLASSES)
    assert (out / "annotations" / "panoptic_test" / "b.png").is_file()
    again = read(out)
    assert (again.train, again.validation, again.test) == (("a",), None, ("b",))
    assert again.classes.classes == CLASSES.classes


def foreign(path: Path) -> Callable[[dict[str, Any]], DataSet]:
    """Three segments as other tools write them: a stuff category, two things, and pixels of no segment."""
    codes = np.zeros((*SIZE, 3), dtype=np.uint8)
    codes[0], codes[1], codes[2] = (7, 0, 0), (0, 1, 0), (0, 0, 1)
    for folder in ("annotations/panoptic_val2017", "val2017"):
        (path / folder).mkdir(parents=True)
    Image.fromarray(codes).save(path / "annotations" / "panoptic_val2017" / "a.png")
    Image.fromarray(codes).save(path / "val2017" / "a.jpg")
    segments = [{"id": 65536, "category_id": 2}, {"id": 256, "category_id": 2}, {"id": 7, "category_id": 0}]
    document = {
        "images": [{"id": 5, "file_name": "a.jpg", "width": 7, "height": 5}],
        "annotations": [{"image_id": 5, "file_name": "a.png", "segments_info": segments}],
        "categories": [
            {"id": 0, "name": "grass", "isthing": 0},
            {"id": 2, "name": "cow", "isthing": 1, "color": [1, 2, 3]},
        ],
    }

    def make(change: dict[str, Any]) -> DataSet:
        document["annotations"][0].update(change)
        (path / "annotations" / "panoptic_val2017.json").write_text(json.dumps(document))
        return read(path)

    return make


def test_segments_of_other_tools(tmp_path: Path) -> None:
    data = foreign(tmp_path)({})
    assert data.format == "coco-panoptic" and data.classes.ids == (0, 2) and data.classes.ground is None
    assert data.classes.classes[1].color == (1, 2, 3)
    layout = data[0].layout
    assert layout.label_map[:, 0].tolist() == [0, 2, 2, 255, 255]
    assert layout.instances is not None and layout.instances[:, 0].tolist() == [0, 2, 1, 0, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segments_info": [{"id": 7, "category_id": 0}]}, "does not list: .256, 65536"),
        ({"segments_info": [{"id": 7, "category_id": 1}]}, "unknown category id 1"),
        ({"segments_info": [{"id": 7, "category_id": 0}] * 2}, "segment id 7 is doubled"),
        ({"segments_info": [{"id": 1 << 24, "category_id": 0}]}, "not from 1 to"),
        ({"segments_info": {}}, "as a list"),
        ({"file_name": "b.png"}, "'b.png' is missing"),
        ({"file_name": "../b.png"}, "leaves the folder"),
        ({"image_id": None}, "is no id"),
        ({"image_id": 6}, "1 images have no annotation, first 'a'"),
    ],
)
def test_bad_segments(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    make = foreign(tmp_path)
    with pytest.raises(InputError, match=words):
        make(change)[0]


def test_labels_of_another_size_or_kind_are_refused(tmp_path: Path) -> None:
    data = foreign(tmp_path)({})
    label = tmp_path / "annotations" / "panoptic_val2017" / "a.png"
    Image.fromarray(np.zeros((4, 7, 3), dtype=np.uint8)).save(label)
    with pytest.raises(InputError, match=r"a\.jpg is 5x7 pixels .* a\.png is 4x7|a\.png is 4x7"):
        data[0]
    Image.fromarray(np.zeros(SIZE, dtype=np.uint8)).save(label)
    with pytest.raises(InputError, match="a grey label"):
        data[0]

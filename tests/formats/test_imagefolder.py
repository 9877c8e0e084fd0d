"""Hugging Face's image folders: metadata of objects and of label files, parts as folders, names in the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.formats.samples import CLASSES, MAPS, OBJECTS, ROADS, box, check, in_parts, painted, pair, pairs_of

from labelmint.errors import InputError
from labelmint.formats import format_named, read, write
from labelmint.formats.painting import decode

README = """---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: objects
    sequence:
    - name: categories
      dtype:
        class_label:
          names:
            '0': %s
            '1': tube
            '10': far
            '2': cell
---
# A set
"""


def put(folder: Path, *rows: dict[str, Any] | str, images: tuple[str, ...] = ("a.png",)) -> Path:
    """Metadata, and images of 8 x 10 pixels (height x width)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in images:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 10, 3), 7, dtype=np.uint8)).save(folder / name)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def row(objects: Any, name: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"file_name": name, "objects": objects, **more}


def label(file: Path, value: int = 2) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((8, 10), dtype=np.uint8)
    array[2:4, 3:6] = value
    Image.fromarray(array).save(file)


def test_all_objects_and_maps_survive(tmp_path: Path) -> None:
    check("imagefolder", pairs_of(OBJECTS | MAPS), CLASSES, tmp_path)


def test_classes_without_ground_survive(tmp_path: Path) -> None:
    check(
        "imagefolder",
        [pair("a", MAPS["one line"]), pair("b", painted(box(0, 0, 2, 2, class_id=2)))],
        ROADS,
        tmp_path,
    )


def test_parts_are_folders(tmp_path: Path) -> None:
    path = write(in_parts(), tmp_path / "a", format="imagefolder", classes=CLASSES)
    data = read(path)
    assert (data.train, data.validation, data.test) == (("a", "b"), ("c", "d"), ("e",))
    assert data.names == tuple("abcdef")
    assert sorted(one.name for one in path.iterdir() if one.is_dir()) == [
        "other",
        "test",
        "train",
        "validation",
    ]


def test_what_load_dataset_needs_is_written(tmp_path: Path) -> None:
    shapes = (*OBJECTS["hole"].objects, *OBJECTS["polygons"].objects, box(0, 0, 3, 3, class_id=3, score=1))
    path = write([pair("a", painted(*shapes))], tmp_path / "a", format="imagefolder", classes=CLASSES)
    (line,) = (path / "metadata.jsonl").read_text().splitlines()
    document = json.loads(line)
    assert (document["name"], document["file_name"]) == ("a", "a.png")
    assert (path / document["label_file_name"]).is_file()
    assert (path / document["instances_file_name"]).is_file()
    objects = document["objects"]
    assert {len(column) for column in objects.values()} == {4}
    assert objects["bbox"][0] == [2, 1, 7, 6]
    assert objects["category"] == [1, 1, 1, 2]
    assert [type(json.loads(text)) if text else None for text in objects["segmentation"]] == [
        dict,
        list,
        list,
        None,
    ]
    head = yaml.safe_load((path / "README.md").read_text().split("---\n")[1])
    features = {one["name"]: one for one in head["dataset_info"]["features"]}
    assert list(features) == ["name", "image", "label", "instances", "objects"]
    columns = {one["name"]: one["list"] for one in features["objects"]["struct"]}
    assert sorted(columns) == sorted(objects)
    names = columns["category"]["class_label"]["names"]
    assert [names[str(k)] for k in range(4)] == list(CLASSES.names)


@pytest.mark.parametrize("key", ["category", "categories", "label", "labels"])
def test_boxes_with_categories_from_zero(key: str, tmp_path: Path) -> None:
    data = read(
        put(
            tmp_path,
            row({"bbox": [[1, 2, 3.5, 4], [0, 0, 1, 1]], key: [0, 2], "area": [14, 1], "id": [7, 8]}),
        )
    )
    assert [(one.id, one.name, one.category) for one in data.classes.classes] == [
        (0, "background", None),
        (1, "class_0", 0),
        (2, "class_1", 1),
        (3, "class_2", 2),
    ]
    first, second = data[0].layout.objects
    assert (first.class_id, first.box, dict(first.attributes)) == (1, (1, 2, 4.5, 6), {})
    assert second.class_id == 3


@pytest.mark.parametrize(("first", "expected"), [("car", [(1, 1), (3, 3)]), ("Background", [(0, 0), (2, 2)])])
def test_names_of_the_readme(first: str, expected: list[tuple[int, int]], tmp_path: Path) -> None:
    put(tmp_path / "data" / "train", row({"bbox": [[1, 2, 3, 4], [5, 5, 1, 1]], "categories": [0, 2]}))
    (tmp_path / "README.md").write_text(README % first)
    data = read(tmp_path)
    shift = int(first == "car")
    assert data.classes.names == (*["background"] * shift, first, "tube", "cell", "far")
    assert [
        (one.class_id, i) for one, (_, i) in zip(data[0].layout.objects, expected, strict=True)
    ] == expected
    assert data.train == ("a",)


def test_objects_as_a_list_with_names_and_outlines(tmp_path: Path) -> None:
    objects = [
        {"bbox": [0, 0, 4, 4], "category": "tube", "segmentation": [0, 0, 4, 0, 0, 4], "hard": True},
        {"bbox": [0, 0, 4, 4], "category": "cell", "segmentation": [[0, 0, 4, 0, 0, 4], [5, 5, 6, 5, 6, 6]]},
        {"bbox": [0, 0, 1, 2], "category": "cell", "segmentation": {"size": [8, 10], "counts": [0, 2, 78]}},
    ]
    one, two, three = read(put(tmp_path, row(objects)))[0].layout.objects
    assert (one.class_id, one.polygons, dict(one.attributes)) == (2, ((0, 0, 4, 0, 0, 4),), {"hard": True})
    assert len(two.polygons or ()) == 2
    assert three.rle is not None
    assert np.argwhere(decode(three.rle, (8, 10))).tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("key", ["label", "mask", "annotation"])
def test_label_files(key: str, tmp_path: Path) -> None:
    label(tmp_path / "masks" / "a.png")
    data = read(put(tmp_path, {"file_name": "a.png", f"{key}_file_name": "masks/a.png"}))
    assert data.classes.names == ("background", "class_2")
    assert (data[0].layout.label_map == 2).sum() == 6
    assert (data.layout("a").label_map == 2).sum() == 6
    (tmp_path / "README.md").write_text(README % "road")
    assert read(tmp_path).classes.names == ("road", "tube", "cell", "far")


@pytest.mark.parametrize("named", [False, True])
def test_ids_of_labels_are_classes_where_objects_name_fewer(named: bool, tmp_path: Path) -> None:
    """A label file holds 0 and 2, the object is of category 1: neither makes names that the other then lacks."""
    path = put(tmp_path, row({"bbox": [[1, 1, 2, 2]], "categories": [1]}, label_file_name="masks/a.png"))
    label(path / "masks" / "a.png")
    if named:
        (path / "classes.json").write_text('{"names": ["background", "class_1", "class_2"]}')
    data = read(path)
    assert [(one.id, one.name) for one in data.classes.classes] == [
        (0, "background"),
        (1, "class_1"),
        (2, "class_2"),
    ]
    layout = data[0].layout
    assert [one.class_id for one in layout.objects] == [1]
    assert np.unique(layout.label_map).tolist() == [0, 2]


def test_words_get_ids_that_no_label_has(tmp_path: Path) -> None:
    path = put(tmp_path, row({"bbox": [[1, 1, 2, 2]], "label": ["cell"]}, label_file_name="masks/a.png"))
    label(path / "masks" / "a.png")
    assert [(one.id, one.name) for one in read(path).classes.classes] == [
        (0, "background"),
        (1, "cell"),
        (2, "class_2"),
    ]


def test_csv(tmp_path: Path) -> None:
    label(tmp_path / "test" / "m" / "a.png")
    put(tmp_path / "test").joinpath("metadata.jsonl").unlink()
    (tmp_path / "test" / "metadata.csv").write_text(
        'file_name,mask_file_name,note\r\na.png,m/a.png,"x, y"\r\n'
    )
    data = read(tmp_path)
    assert (data.names, data.test) == (("a",), ("a",))
    (tmp_path / "test" / "metadata.csv").write_text("file_name,mask_file_name\na.png,m/a.png,more\n")
    with pytest.raises(InputError, match="row 1 has 3 values for 2 columns"):
        read(tmp_path)


def test_only_image_folders_are_recognized(tmp_path: Path, folder: Path) -> None:
    recognizes = format_named("imagefolder").recognizes
    assert not recognizes(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metadata.csv").write_text("a,b\n1,2\n")
    assert not recognizes(tmp_path / "other")


BAD: dict[str, tuple[dict[str, Any] | str, str]] = {
    "no labels": ({"file_name": "a.png", "text": "a cat"}, "holds no objects and no label files"),
    "no file name": ({"objects": {}}, "has no file_name"),
    "no object": ("[1]", "row 1 is no object"),
    "broken": ("{", "broken JSON"),
    "NaN": ('{"file_name": "a.png", "objects": {"bbox": [[NaN, 1, 1, 1]], "label": [0]}}', "NaN"),
    "leaves": (row({}, "../a.png"), "leaves the folder"),
    "label leaves": (row({}, mask_file_name="/etc/passwd"), "leaves the folder"),
    "missing": (row({}, "b.png"), "1 of its images are missing"),
    "label missing": (row({}, mask_file_name="b.png"), "the file 'b.png' is missing"),
    "columns": (row({"bbox": [[1, 1, 1, 1]], "label": [0, 1]}), "1 bbox but 2 of 'label'"),
    "objects": (row(7), "neither columns nor a list"),
    "bbox": (row({"bbox": [[1, 1, -1, 1]], "label": [0]}), "expected [x, y, width, height]"),
    "outside": (row({"bbox": [[1, 1, 90, 1]], "label": [0]}), "outside its image"),
    "category": (row({"bbox": [[1, 1, 1, 1]], "label": [-1]}), "unknown category"),
    "no category": (row({"bbox": [[1, 1, 1, 1]]}), "unknown category"),
    "outline": (
        row({"bbox": [[1, 1, 1, 1]], "label": [0], "segmentation": [7]}),
        "neither polygons nor run lengths",
    ),
    "two points": (
        row({"bbox": [[1, 1, 1, 1]], "label": [0], "segmentation": [[[1, 2]]]}),
        "at least three points",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    line, words = BAD[name]
    put(tmp_path, line)
    with pytest.raises(InputError) as error:
        list(read(tmp_path, format="imagefolder"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_label_of_another_size_and_unknown_ids(tmp_path: Path) -> None:
    put(tmp_path, {"file_name": "a.png", "mask_file_name": "m.png"})
    Image.fromarray(np.zeros((8, 9), dtype=np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="8x9 pixels but its image 8x10"):
        list(read(tmp_path))
    label(tmp_path / "m.png", 77)
    (tmp_path / "README.md").write_text(README % "road")
    with pytest.raises(InputError, match="not in the class list: 77"):
        list(read(tmp_path))

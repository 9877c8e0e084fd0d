"""Laws of DOTA: oriented boxes in pixels, with their classes, difficulties and parts; each bad label is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read, write
from labelmint.types import DataSet

HEAD = "imagesource:GoogleEarth\ngsd:0.146343\n"
SHIP, PLANE = "1 1 5 2 4 6 0 5 ship 1", "10.5 2 14 2 14 6 10.5 6 large-plane 0"


def dota(path: Path, image: str, label: str, text: str) -> Path:
    for file in (path / image, path / label):
        file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((10, 20, 3), dtype=np.uint8)).save(path / image)
    (path / label).write_text(text, encoding="utf-8")
    return path


def shapes(data: DataSet) -> list[tuple[str, object, dict[str, object]]]:
    return [
        (data.classes.name_of(one.class_id), one.polygons, dict(one.attributes))
        for pair in data
        for one in pair.layout.objects
    ]


@pytest.mark.parametrize("folder", ["labelTxt", "labelTxt-v1.0"])
def test_oriented_boxes_are_polygons_with_their_difficulty(folder: str, tmp_path: Path) -> None:
    path = dota(tmp_path, "train/images/a.png", f"train/{folder}/a.txt", f"{HEAD}{SHIP}\n\n{PLANE}\n")
    dota(path, "val/images/b.png", f"val/{folder}/b.txt", SHIP.removesuffix(" 1"))
    data = read(path)
    ship = ((1, 1, 5, 2, 4, 6, 0, 5),)
    plane = ((10.5, 2, 14, 2, 14, 6, 10.5, 6),)
    assert data.format == "dota" and data.classes.names == ("background", "large-plane", "ship")
    assert shapes(data) == [
        ("ship", ship, {"difficulty": 1}),
        ("large-plane", plane, {"difficulty": 0}),
        ("ship", ship, {}),
    ]
    assert data[0].layout.objects[0].box == (0, 1, 5, 6)
    assert (data.train, data.validation, data.test) == (("a",), ("b",), None)


def test_classes_of_data_yaml_keep_their_order(tmp_path: Path) -> None:
    path = dota(tmp_path, "images/a.png", "labelTxt/a.txt", PLANE)
    (path / "data.yaml").write_text("train: images\nval: images\nnames: [ship, large-plane]\n")
    data = read(path)
    assert data.classes.names == ("background", "ship", "large-plane") and shapes(data)[0][0] == "large-plane"
    out = tmp_path.with_name(f"{tmp_path.name}-yolo")
    written = read(write(data, out, format="yolo", classes=data.classes))
    assert [one[:2] for one in shapes(written)] == [one[:2] for one in shapes(data)]


def test_what_reaches_over_the_border_is_cut_there_and_told(tmp_path: Path) -> None:
    data = read(
        dota(
            tmp_path, "images/a.png", "labelTxt/a.txt", "-4 2 4 2 4 6 -4 6 ship 0\n-1 0 3 0 3 3 -1 3 ship 0\n"
        )
    )
    assert [one[1] for one in shapes(data)] == [((0, 2, 4, 2, 4, 6, 0, 6),), ((-1, 0, 3, 0, 3, 3, -1, 3),)]
    (finding,) = data.findings
    assert (
        finding.kind == "over the border" and "1 oriented boxes" in finding.text and finding.names == ("a",)
    )


def test_every_border_cuts(tmp_path: Path) -> None:
    (only,) = read(dota(tmp_path, "images/a.png", "labelTxt/a.txt", "10 -3 23 5 10 13 -3 5 ship 0"))[
        0
    ].layout.objects
    assert only.box == (0, 0, 20, 10) and only.polygons is not None and len(only.polygons[0]) == 16
    (only,) = read(dota(tmp_path, "images/a.png", "labelTxt/a.txt", "16 6 24 6 24 14 16 14 ship 0"))[
        0
    ].layout.objects
    assert only.box == (16, 6, 20, 10)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 1 5 2 4 6 0 ship 1", "expected x1 y1"),
        ("1 1 5 2 4 6 0 nan ship 1", "expected x1 y1"),
        ("1 1 5 2 4 6 0 5 large plane 1", "expected x1 y1"),
        ("1 1 5 2 4 6 0 5 ship hard", "expected x1 y1"),
        ("100 100 150 100 150 150 100 150 ship 0", "all outside its image of 10x20"),
        ("1 1 5 2 4 6 0 5 whale 0", "class 'whale', which data.yaml does not name"),
    ],
)
def test_bad_lines_are_told(line: str, words: str, tmp_path: Path) -> None:
    path = dota(tmp_path, "images/a.png", "labelTxt/a.txt", f"{SHIP}\n{line}\n")
    (path / "data.yaml").write_text("train: images\nval: images\nnames: [ship]\n")
    with pytest.raises(InputError, match=rf"labelTxt/a\.txt: line 2 .*{words}"):
        read(path)
    data = read(path, strict=False)
    assert len(data[0].layout.objects) == 1 and [finding.kind for finding in data.findings] == ["bad label"]


def test_other_texts_are_not_claimed(tmp_path: Path) -> None:
    for place, text in enumerate(("0 0.5 0.5 0.1 0.1", "Car 0.00 0 1.8 587 173 614 200 1 2", "")):
        path = dota(tmp_path / str(place), "images/a.png", "labelTxt/a.txt", text)
        assert not FORMATS["dota"].recognizes(path)
    assert not FORMATS["dota"].recognizes(dota(tmp_path / "x", "y/images/a.png", "y/labelTxt/a.txt", SHIP))

"""Laws of what stands behind a box in YOLO's lines: confidences, tracks and keypoints are read as what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

EDGES = (16.0, 8.0, 24.0, 12.0)  # of 0.5 0.5 0.2 0.2


def yolo(path: Path, *labels: str, more: str = "") -> Path:
    """A set of images of 20 x 40 pixels with these labels; `more` is a line of its data.yaml."""
    for folder in ("images", "labels"):
        (path / folder).mkdir(parents=True)
    for number, label in enumerate(labels):
        Image.fromarray(np.full((20, 40, 3), number, dtype=np.uint8)).save(path / "images" / f"{number}.png")
        (path / "labels" / f"{number}.txt").write_text(label)
    (path / "data.yaml").write_text(f"train: images\nval: images\nnames: [cell]\n{more}\n")
    return path


def said(data: DataSet) -> list[dict[str, Any]]:
    """The attributes of all objects, which are the box of `EDGES` each."""
    objects = [one for pair in data for one in pair.layout.objects]
    assert {(one.box, one.polygons) for one in objects} == {(EDGES, None)}
    return [dict(one.attributes) for one in objects]


def kinds(data: DataSet) -> list[str]:
    return [finding.kind for finding in data.findings]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["0.91 1"], [{"confidence": 0.91, "track_id": 1}]),
        (["0 0"], [{"confidence": 0, "track_id": 0}]),
        (
            ["0.91 1", "0.5 17", ""],
            [{"confidence": 0.91, "track_id": 1}, {"confidence": 0.5, "track_id": 17}, {}],
        ),
        (["2"], [{"track_id": 2}]),
        (["1", "2"], [{"track_id": 1}, {"track_id": 2}]),
    ],
)
def test_tracks_are_read_as_tracks_and_that_is_said(
    ends: list[str], expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    data = read(yolo(tmp_path, "\n".join(f"0 0.5 0.5 0.2 0.2 {end}" for end in ends)))
    assert said(data) == expected
    assert (
        kinds(data) == ["track ids"] and f"{len([1 for end in ends if end])} boxes" in data.findings[0].text
    )


def test_a_whole_number_is_a_track_in_all_texts_of_a_set_that_has_tracks(tmp_path: Path) -> None:
    """The first track of a video is 1, which alone would be a confidence."""
    assert said(read(yolo(tmp_path / "a", "0 0.5 0.5 0.2 0.2 1"))) == [{"confidence": 1}]
    data = read(yolo(tmp_path / "b", "0 0.5 0.5 0.2 0.2 1", "0 0.5 0.5 0.2 0.2 2"))
    assert said(data) == [{"track_id": 1}, {"track_id": 2}]


@pytest.mark.parametrize(
    "label",
    [
        "0 0.1 0.1 0.9 0.1 0.5 1",  # the box would reach out
        "0 0.5 0.5 0.2 0.2 0.9 1.0",  # no tracker writes so
        "0 0.5 0.5 0.2 0.2 0.9 0.7",
        "0 0.5 0.5 0.2 0.2 0.9 1\n0 0.5 0.5 0.3 0.2 0.9 1",  # a track is in an image once
        "0 0.5 0.5 0.2 0.2 0.9 1\n0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2",
    ],
)
def test_outlines_of_three_points_stay_outlines(label: str, tmp_path: Path) -> None:
    data = read(yolo(tmp_path, label))
    assert all(one.polygons and not one.attributes for one in data[0].layout.objects)
    assert "track ids" not in kinds(data)


def test_the_whole_set_says_whether_six_numbers_are_a_track_or_an_outline(tmp_path: Path) -> None:
    """A triangle at the border looks as a box with a confidence and the track 1 does."""
    triangle, square = "0 0.5 0.5 0.2 0.2 0.9 1", "0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2"
    data = read(yolo(tmp_path / "a", triangle, square))
    assert data[0].layout.objects[0].polygons == ((20, 10, 8, 4, 36, 20),)
    assert kinds(data) == ["three points"] and "1 lines of six numbers" in data.findings[0].text
    data = read(yolo(tmp_path / "b", triangle, square, "0 0.5 0.5 0.2 0.2 0.9 2"))
    assert kinds(data) == ["track ids"] and data[0].layout.objects[0].attributes["track_id"] == 1


@pytest.mark.parametrize("last", [0.0, 4.0, 20.0])
def test_triangles_that_are_written_are_read_as_such(last: float, tmp_path: Path) -> None:
    """The triangle's numbers are also those of a box in the image, a confidence and, but for the form, a track."""
    triangle = LayoutObject(class_id=1, box=(4, 0, 36, 20), polygons=((20, 10, 4, 6, 36, last),))
    label_map = np.zeros((20, 40), dtype=np.uint8)
    layout = Layout(label_map=label_map, instances=None, objects=(triangle,))
    pair = AnnotatedImage(name="a", image=np.zeros((20, 40, 3), dtype=np.uint8), layout=layout)
    classes = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))
    (back,) = read(write([pair], tmp_path / "set", format="yolo", classes=classes))[0].layout.objects
    assert back.polygons == triangle.polygons


def test_a_model_and_a_tracker_write_behind_keypoints(tmp_path: Path) -> None:
    points = "0.5 0.5 2 0 0 0"
    label = "\n".join(f"0 0.5 0.5 0.2 0.2 {points} {end}" for end in ("", "0.5", "0.5 1", "7"))
    data = read(yolo(tmp_path, label, more="kpt_shape: [2, 3]"))
    posed = {"keypoints": [20, 10, 2, 0, 0, 0]}
    more: list[dict[str, Any]] = [
        {},
        {"confidence": 0.5},
        {"confidence": 0.5, "track_id": 1},
        {"track_id": 7},
    ]
    assert said(data) == [posed | one for one in more]


@pytest.mark.parametrize(
    ("points", "shape"),
    [("0.45 0.45 0.55 0.45 0.55 0.55 0.45 0.55", "[4, 2]"), ("0.45 0.45 1 0 0 0", "[2, 3]")],
)
def test_keypoints_that_nothing_announces_are_told(points: str, shape: str, tmp_path: Path) -> None:
    data = read(yolo(tmp_path, f"0 0.5 0.5 0.2 0.2 {points}\n0 0.3 0.3 0.6 0.6 {points}"))
    assert kinds(data) == ["outlines or keypoints"] and f"kpt_shape: {shape}" in data.findings[0].text
    outline = "0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2\n"
    assert not kinds(read(yolo(tmp_path / "mixed", f"0 0.5 0.5 0.2 0.2 {points}\n{outline}")))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.5 0.5 0.2 0.2 0.45 0.45 2", r"7 numbers .*kpt_shape: \[1, 3\]"),
        ("0 0.5 0.5 0.2 0.2 0.45 0.45 2 0.5 0.5 1", r"holds 2, .*kpt_shape: \[2, 3\]"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2 0.9 3", "holds 3, .*remove what a model or a tracker wrote"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2 0.9", "9 numbers .*remove what a model or a tracker wrote"),
    ],
)
def test_lines_that_are_no_outlines_are_refused_with_what_mends_them(
    line: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words) as error:
        read(yolo(tmp_path, line))
    assert "divide pixels" not in str(error.value)

"""labelme's JSON files: read as labelme draws them, written so that labelme opens them, refused in one line."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import CLASSES, MAPS, OBJECTS, ROADS, box, check, in_parts, painted, pair, pairs_of

from labelmint.errors import InputError
from labelmint.formats import format_named, read, write
from labelmint.formats.painting import decode
from labelmint.types import ClassInfo, ClassSet, DataSet


def png(array: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    return stream.getvalue()


def shape(kind: str, *points: tuple[float, float], label: Any = "cell", **more: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": [list(point) for point in points], **more}


def put(folder: Path, name: str, *shapes: dict[str, Any], **more: Any) -> Path:
    """A JSON of labelme, and its image of 8 x 10 pixels beside it unless `image` is False."""
    file = folder / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    if more.pop("image", True):
        Image.fromarray(np.full((8, 10, 3), 7, dtype=np.uint8)).save(file.with_suffix(".png"))
    document = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": f"{file.stem}.png"}
    document |= {"imageData": None, "imageHeight": 8, "imageWidth": 10} | more
    file.write_text(json.dumps(document))
    return folder


def kinds(data: DataSet) -> str:
    return " | ".join(finding.text for finding in data.findings)


def test_all_objects_survive(tmp_path: Path) -> None:
    check("labelme", pairs_of(OBJECTS), CLASSES, tmp_path)


def test_maps_become_objects_with_the_same_pixels(tmp_path: Path) -> None:
    for number, (layouts, classes) in enumerate(((MAPS, CLASSES), ({"one line": MAPS["one line"]}, ROADS))):
        data = read(write(pairs_of(layouts), tmp_path / str(number), format="labelme", classes=classes))
        assert data.classes.classes == classes.classes
        for one, layout in zip(sorted(pairs_of(layouts), key=lambda one: one.name), data, strict=True):
            assert np.array_equal(one.layout.label_map, layout.layout.label_map), one.name


def test_parts_survive_as_lists(tmp_path: Path) -> None:
    data = read(write(in_parts(), tmp_path / "a", format="labelme", classes=CLASSES))
    assert (data.train, data.validation, data.test) == (("a", "b"), ("c", "d"), ("e",))


def test_what_labelme_needs_is_written(tmp_path: Path) -> None:
    path = write([pair("a", OBJECTS["polygons"])], tmp_path / "a", format="labelme", classes=CLASSES)
    document = json.loads((path / "a.json").read_text())
    assert (document["imagePath"], document["imageData"]) == ("a.png", None)
    assert [one["group_id"] for one in document["shapes"]] == [1, 1, None]
    path = write([pair("a", OBJECTS["hole"])], tmp_path / "b", format="labelme", classes=CLASSES)
    (mask,) = json.loads((path / "a.json").read_text())["shapes"]
    assert (mask["shape_type"], mask["points"]) == ("mask", [[2.0, 1.0], [8.0, 6.0]])
    assert (path / "labels.txt").read_text().splitlines()[:2] == ["__ignore__ (9)", "__ignore__"]


def test_shapes_as_labelme_draws_them(tmp_path: Path) -> None:
    mask = b64encode(png(np.array([[1, 0], [1, 1], [0, 1]], dtype=np.uint8))).decode()
    put(
        tmp_path,
        "a",
        shape("rectangle", (5, 6), (1, 2), flags={"hard": True}, description="x"),
        shape("polygon", (0, 0), (4, 0), (0, 4), group_id=3),
        shape("polygon", (6, 0), (9, 0), (9, 3), group_id=3),
        shape("polygon", (6, 0), (9, 0), (9, 3), group_id=3, label="tube"),
        shape("mask", (7, 5), (8, 7), mask=mask),
        shape("circle", (5, 4), (7, 4)),
    )
    data = read(tmp_path)
    a, two, alone, b, c = data[0].layout.objects
    assert (a.box, dict(a.attributes)) == ((1, 2, 5, 6), {"flags": {"hard": True}, "description": "x"})
    assert two.polygons == ((0, 0, 4, 0, 0, 4), (6, 0, 9, 0, 9, 3))
    assert (alone.class_id, dict(alone.attributes)) == (2, {"group_id": 3})
    assert b.rle is not None
    assert np.argwhere(decode(b.rle, (8, 10))).tolist() == [[5, 7], [6, 7], [6, 8], [7, 8]]
    assert c.polygons is not None
    corners = np.reshape(c.polygons[0], (-1, 2)) - (5, 4)
    assert np.allclose(np.hypot(*corners.T), 2)
    middles = (corners + np.roll(corners, 1, axis=0)) / 2
    assert np.hypot(*middles.T).min() >= 2 - 0.1
    assert "1 circles" in kinds(data)


def test_shapes_that_mix_in_a_group_are_one_object(tmp_path: Path) -> None:
    mask = b64encode(png(np.ones((2, 2), dtype=np.uint8))).decode()
    put(
        tmp_path,
        "a",
        shape("rectangle", (0, 0), (3, 3), group_id=1),
        shape("mask", (5, 5), (6, 6), mask=mask, group_id=1),
    )
    (one,) = read(tmp_path)[0].layout.objects
    assert one.rle is not None
    assert decode(one.rle, (8, 10)).sum() == 9 + 4
    assert one.box == (0, 0, 7, 7)


def test_lines_and_points_are_left_out_and_said(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a",
        shape("point", (1, 1), label="eye"),
        shape("linestrip", (1, 1), (2, 2)),
        shape("line", (1, 1), (2, 2)),
    )
    data = read(tmp_path)
    assert data[0].layout.objects == ()
    assert data.classes.names == ("background",)
    assert "'linestrip'" in kinds(data)
    assert "'point'" in kinds(data)


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\rb", " a"])
def test_a_class_of_two_lines_stays_one(name: str, tmp_path: Path) -> None:
    classes = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name=name)))
    write([pair("a", painted(box(0, 0, 3, 3)))], tmp_path / "set", format="labelme", classes=classes)
    assert read(tmp_path / "set").classes == classes


def test_labels_txt_orders_and_ignore_is_ignored(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a",
        shape("rectangle", (0, 0), (2, 2)),
        shape("rectangle", (4, 4), (6, 6), label="__ignore__"),
    )
    put(
        tmp_path,
        "b",
        shape("rectangle", (0, 0), (2, 2), label=""),
        shape("rectangle", (3, 0), (4, 2), label="new"),
    )
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ntube\ncell\n")
    data = read(tmp_path)
    assert data.classes.names == ("_background_", "tube", "cell", "new")
    assert np.unique(data[0].layout.label_map).tolist() == [0, 2, 255]
    assert np.unique(data[1].layout.label_map).tolist() == [0, 3, 255]
    assert "1 shapes without a label are ignored" in kinds(data)


def test_images_in_the_json_and_in_other_folders(tmp_path: Path) -> None:
    inside = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    put(tmp_path, "x/a", imageData=b64encode(png(inside)).decode(), image=False)
    put(tmp_path, "y/a", imagePath="..\\images\\b.png", image=False)
    put(tmp_path, "images/b").joinpath("images", "b.json").unlink()
    put(tmp_path, "z/c", imagePath="/home/someone/c.png")
    data = read(tmp_path)
    assert data.names == ("x__a", "y__a", "z__c")
    assert np.array_equal(data[0].image, inside)
    assert data[1].image.max() == 7
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside" / "set", "a", imagePath="../../images/b.png", image=False)
    with pytest.raises(InputError, match="1 images are missing, first that of 'a'"):
        read(tmp_path / "outside" / "set")


def test_only_labelme_is_recognized(tmp_path: Path, folder: Path) -> None:
    recognizes = format_named("labelme").recognizes
    assert not recognizes(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.json").write_text('{"shapes": []}')
    assert not recognizes(tmp_path / "other")
    deep = put(tmp_path / "deep", "x/y/a", imageData="A" * 300_000)
    assert recognizes(deep)
    assert read(deep / "x" / "y" / "a.json").names == ("a",)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "points": (lambda p: put(p, "a", shape("polygon", (1, 2)) | {"points": [[1]]}), "expected a list of"),
    "two points": (lambda p: put(p, "a", shape("polygon", (1, 2), (3, 4))), "at least three points"),
    "outside": (lambda p: put(p, "a", shape("rectangle", (1, 2), (30, 4))), "outside its image"),
    "no base64": (lambda p: put(p, "a", shape("mask", (1, 2), (2, 3), mask="?")), "mask"),
    "mask of another size": (
        lambda p: put(
            p, "a", shape("mask", (0, 0), (5, 5), mask=b64encode(png(np.ones((2, 2), np.uint8))).decode())
        ),
        "2x2 pixels",
    ),
    "far circle": (lambda p: put(p, "a", shape("circle", (1e30, 1e30), (1e30, 1e29))), "outside its image"),
    "size": (lambda p: put(p, "a", imageHeight="8"), "height of '8'"),
    "huge size": (lambda p: put(p, "a", imageHeight=10**9), "at most"),
    "other size": (lambda p: put(p, "a", imageHeight=9), "use the images that were annotated"),
    "NaN": (lambda p: put(p, "a", shape("rectangle", (float("nan"), 0), (1, 1))), "NaN"),
    "no image": (lambda p: put(p, "a", image=False), "images are missing"),
    "image data": (lambda p: put(p, "a", image=False, imageData="?"), "a.json"),
    "box": (
        lambda p: put(p, "a", shape("rectangle", (0, 0), (1, 1), box=[1, 2])),
        "expected [x0, y0, x1, y1]",
    ),
    "broken": (
        lambda p: put(p, "a").joinpath("b.json").write_text('{"shapes": [], "imagePath": '),
        "broken JSON",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    make(tmp_path)
    with pytest.raises(InputError) as error:
        list(read(tmp_path, format="labelme"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_shapes_are_found_when_inspecting(tmp_path: Path) -> None:
    put(tmp_path, "a", shape("polygon", (1, 2)), shape("rectangle", (0, 0), (2, 2)))
    data = read(tmp_path, strict=False)
    assert "at least three points" in kinds(data)
    assert len(data[0].layout.objects) == 1


@pytest.mark.parametrize("name", ["classes", "Classes", "croissant"])
def test_a_pair_named_like_a_file_that_describes_the_set_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{name.lower()}\.json"):
        write([pair(name, painted())], tmp_path / "a", format="labelme", classes=CLASSES)
    assert not (tmp_path / "a").exists()


def test_objects_of_unknown_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in the class list"):
        write(
            [pair("a", painted(box(0, 0, 1, 1, class_id=7)))],
            tmp_path / "a",
            format="labelme",
            classes=CLASSES,
        )

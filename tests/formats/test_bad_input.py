"""Each bad input gets one line that names the file and what mends it; to inspect, the odd is passed over and
listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import read


def image(path: Path, shape: tuple[int, ...] = (6, 8, 3), value: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(path)


def read_all(path: Path, **options: Any) -> None:
    for _ in read(path, **options):
        pass


def colored(path: Path) -> None:
    Image.new("RGB", (8, 6), (255, 0, 0)).save(path / "labels" / "a.png")
    (path / "classes.json").unlink()


def without(path: Path, *files: str) -> None:
    for file in files:
        (path / file).unlink()


FOLDER: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "image without label": (
        lambda p: image(p / "images" / "c.png"),
        ["c.png", "without label (1", "labels/c.png"],
    ),
    "label without image": (
        lambda p: image(p / "labels" / "c.png", (6, 8)),
        ["c.png", "label without image"],
    ),
    "no pairs": (lambda p: without(p, "images/a.png", "images/b.png"), ["without image"]),
    "no labels": (lambda p: without(p, "labels/a.png", "labels/b.png"), ["no labelled images", "expected"]),
    "two endings": (lambda p: image(p / "images" / "a.bmp"), ["twice", "'a'"]),
    "other size": (
        lambda p: image(p / "labels" / "a.png", (8, 6)),
        ["6x8", "8x6", "images/a.png", "labels/a.png"],
    ),
    "instances of another size": (
        lambda p: image(p / "instances" / "a.png", (8, 6)),
        ["instances/a.png", "8x6"],
    ),
    "colored instances": (
        lambda p: (
            image(p / "instances" / "a.png", (6, 8)),
            Image.new("RGB", (8, 6), (255, 0, 0)).save(p / "instances" / "a.png"),
        ),
        ["instances/a.png", "save instances as grey PNGs of 8 or 16 bits"],
    ),
    "instances alone": (lambda p: image(p / "instances" / "c.png", (6, 8)), ["instances/", "'c'"]),
    "unknown id": (
        lambda p: image(p / "labels" / "a.png", (6, 8), 7),
        ["labels/a.png", "7 (48 pixels)", "--ignore 7"],
    ),
    "colored label": (colored, ["labels/a.png", "colored", '"colors"']),
    "colored, not listed": (
        lambda p: (
            image(p / "labels" / "a.png"),
            (p / "classes.json").write_text('{"colors": {"1": [9, 9, 9]}}'),
        ),
        ["[0, 0, 0] (48 pixels)"],
    ),
    "text as image": (
        lambda p: (p / "images" / "a.png").write_text("hello"),
        ["images/a.png", "not a readable"],
    ),
    "text as label": (
        lambda p: (p / "labels" / "a.png").write_text("hello"),
        ["labels/a.png", "not a readable PNG"],
    ),
    "broken classes.json": (
        lambda p: (p / "classes.json").write_text('{"names": '),
        ["classes.json", "line 1, column"],
    ),
    "list as classes.json": (
        lambda p: (p / "classes.json").write_text("[1]"),
        ["classes.json", "expected an object"],
    ),
    "name of no id": (
        lambda p: (p / "classes.json").write_text('{"names": {"one": "x"}}'),
        ["'one'", "names"],
    ),
    "name of no text": (lambda p: (p / "classes.json").write_text('{"names": [1]}'), ["class name 1"]),
    "id too large": (
        lambda p: (p / "classes.json").write_text('{"names": {"70000": "x"}}'),
        ["70000", "0..65535"],
    ),
    "bad color": (
        lambda p: (p / "classes.json").write_text('{"colors": [[1, 2, 300]]}'),
        ["[1, 2, 300]", "0 to 255"],
    ),
    "doubled color": (
        lambda p: (p / "classes.json").write_text('{"colors": [[1, 2, 3], [1, 2, 3]]}'),
        ["same color"],
    ),
    "bad ignore": (lambda p: (p / "classes.json").write_text('{"ignore": 3}'), ["ignore", "list"]),
    "listed but missing": (
        lambda p: (p / "train.txt").write_text("a\nz\ny\n"),
        ["train.txt", "2 names", "'y'"],
    ),
    "bad objects": (
        lambda p: ((p / "objects").mkdir(), (p / "objects" / "a.json").write_text('[{"box": [1, 2, 3]}]')),
        ["objects/a.json"],
    ),
    "objects of another size": (
        lambda p: (
            (p / "objects").mkdir(),
            (p / "objects" / "a.json").write_text(
                '[{"class_id": 1, "box": [0, 0, 1, 1], "rle": {"size": [1, 1], "counts": "01"}}]'
            ),
        ),
        ["objects/a.json", "object 0", "[6, 8]"],
    ),
}


@pytest.mark.parametrize("case", FOLDER)
def test_bad_folders(case: str, folder: Path) -> None:
    change, words = FOLDER[case]
    change(folder)
    with pytest.raises(InputError) as caught:
        read_all(folder)
    message = str(caught.value)
    assert "\n" not in message and not [word for word in words if word not in message], message


def annotated(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["annotations"][0].update(changes)


def rle(counts: Any, size: tuple[int, int] = (6, 8)) -> Callable[[dict[str, Any]], object]:
    return annotated(segmentation={"size": list(size), "counts": counts})


COCO: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "no images": (lambda d: d.pop("images"), ['"images" as a list']),
    "images of another form": (lambda d: d.update(images=[3]), ['"images" as a list']),
    "a file name of thousands of signs": (
        lambda d: d["images"][0].update(file_name="a" * 5000),
        ["1 of its images are missing", "aaa...'"],
    ),
    "half a character as a name": (
        lambda d: d["categories"][0].update(name="a\ud800"),
        ["class name", "no valid text"],
    ),
    "a size of hundreds of digits": (
        lambda d: d["images"][0].update(width=10**400),
        ["image 1", "1 to 178956970"],
    ),
    "a number of hundreds of digits": (annotated(bbox=[10**400, 2, 3, 2]), ["annotation 7", "finite"]),
    "unknown category": (annotated(category_id=4), ["annotation 7", "category id 4"]),
    "unknown image": (annotated(image_id=2), ["annotation 7", "image id 2"]),
    "doubled image id": (lambda d: d["images"].append(d["images"][0]), ["image id 1", "doubled"]),
    "doubled category id": (
        lambda d: d["categories"].append(d["categories"][0]),
        ["category id 3", "doubled"],
    ),
    "same file twice, of two sizes": (
        lambda d: d["images"].append(d["images"][0] | {"id": 2, "width": 9}),
        ["listed twice", "a.png"],
    ),
    "file outside": (
        lambda d: d["images"][0].update(file_name="../b.png"),
        ["../b.png", "leaves the folder"],
    ),
    "file at the root": (lambda d: d["images"][0].update(file_name="/etc/b.png"), ["leaves the folder"]),
    "file on a drive": (lambda d: d["images"][0].update(file_name="C:\\b.png"), ["leaves the folder"]),
    "file outside, other slashes": (
        lambda d: d["images"][0].update(file_name="..\\b.png"),
        ["leaves the folder"],
    ),
    "no file name": (lambda d: d["images"][0].pop("file_name"), ["file name must be text"]),
    "missing file": (lambda d: d["images"][0].update(file_name="b.png"), ["missing", "b.png", "images"]),
    "other size": (lambda d: d["images"][0].update(width=9), ["6x8", "6x9"]),
    "size of no number": (lambda d: d["images"][0].update(width="9"), ["width '9'"]),
    "polygon outside": (
        annotated(segmentation=[[0, 0, 12, 0, 0, 4]]),
        ["annotation 7 of 'a'", "(12, 4)", "6x8"],
    ),
    "polygon beside": (annotated(segmentation=[[0, -3, 2, -3, 2, -4]]), ["(0, -4)", "outside"]),
    "polygon of two points": (annotated(segmentation=[[0, 0, 1, 1]]), ["three points"]),
    "polygon of odd length": (annotated(segmentation=[[0, 0, 1, 1, 2, 2, 3]]), ["three points"]),
    "polygon of text": (annotated(segmentation=[[0, 0, 1, 1, 2, "2"]]), ["three points"]),
    "polygon of two points, not nested": (annotated(segmentation=[0, 0, 1, 1]), ["three points"]),
    "polygon beyond numbers": (annotated(segmentation=[[0, 0, 1, 1, 2, float("inf")]]), ["finite"]),
    "segmentation of text": (annotated(segmentation="x"), ["neither polygons nor run lengths"]),
    "run lengths of another size": (rle([48], (8, 6)), ["[8, 6]", "[6, 8]"]),
    "run lengths too short": (rle([40]), ["40 pixels", "48"]),
    "negative run length": (rle([50, -2]), ["run lengths"]),
    "run lengths of text": (rle(["a"]), ["run lengths"]),
    "garbage counts": (rle("\u00ff!"), ["cannot be read"]),
    "cut counts": (rle("P"), ["cannot be read"]),
    "compressed counts too long": (rle("Po0"), ["run lengths"]),
    "box outside": (annotated(bbox=[5, 0, 9, 2]), ["its box", "(14, 2)"]),
    "negative box": (annotated(bbox=[5, 0, -1, 2]), ["bbox [5, 0, -1, 2]"]),
    "box of three": (annotated(bbox=[5, 0, 1]), ["bbox [5, 0, 1]"]),
    "neither box nor shape": (lambda d: d["annotations"][0].pop("bbox"), ["neither bbox nor segmentation"]),
    "iscrowd": (annotated(iscrowd=2), ["iscrowd 2"]),
    "box beyond all numbers": (annotated(bbox=[0, 0, 10**400, 1]), ["annotation 7", "finite"]),
    "category id of no number": (lambda d: d["categories"][0].update(id=2.5), ["category id 2.5"]),
    "category without name": (lambda d: d["categories"][0].pop("name"), ["text as name"]),
}


@pytest.mark.parametrize("case", COCO)
def test_bad_coco(case: str, coco: Callable[..., Path], document: dict[str, Any]) -> None:
    change, words = COCO[case]
    change(document)
    path = coco(document)
    with pytest.raises(InputError) as caught:
        read_all(path)
    message = str(caught.value)
    assert "\n" not in message and "instances.json" in message
    assert not [word for word in words if word not in message], message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"images": [', "line 1, column 13"),
        (b'{"images": 1e999, "annotations": [], "categories": []}', "as a list"),
        (b'{"images": [], "annotations": [NaN], "categories": []}', "finite"),
        (b'{"images": [], "annotations": [], "categories": [], "x": "\xff"}', "UTF-8"),
        (b'{"images": ' + b"[" * 100_000, "nested"),
        (b'{"images": [], "annotations": [], "categories": []}', "no labelled images"),
        (b"[1, 2", "column"),
    ],
)
def test_broken_json(text: bytes, words: str, coco: Callable[..., Path], document: dict[str, Any]) -> None:
    path = coco(document)
    (path / "instances.json").write_bytes(text)
    with pytest.raises(InputError, match=words):
        read(path)


def test_other_paths(tmp_path: Path, folder: Path) -> None:
    rows: list[tuple[Path, dict[str, Any], str]] = [
        (tmp_path / "none", {}, "no such file or folder"),
        (tmp_path, {}, "did you mean .*data"),
        (folder, {"format": "xyz"}, "unknown format 'xyz'; expected one of .*folder, coco, .*bbbc041"),
        (folder, {"format": "coco"}, "no coco JSON"),
        (folder / "classes.json", {"format": "folder"}, "not from a file"),
        (folder, {"ignore": (-1,)}, "0..65535"),
    ]
    for path, options, words in rows:
        with pytest.raises(InputError, match=words):
            read(path, **options)


def test_two_coco_files_must_be_chosen_from(coco: Callable[..., Path], document: dict[str, Any]) -> None:
    path = coco(document)
    (path / "instances.json").rename(path / "x.json")
    (path / "y.json").write_text((path / "x.json").read_text())
    with pytest.raises(InputError, match=r"2 annotation files fit.*x\.json.*y\.json"):
        read(path)


def test_odd_folders_can_be_inspected(folder: Path) -> None:
    image(folder / "images" / "c.png")
    image(folder / "images" / "a.bmp")
    image(folder / "labels" / "d.png", (6, 8))
    image(folder / "labels" / "b.png", (6, 8), 7)
    (folder / "images" / "notes.txt").write_text("x")
    (folder / "train.txt").write_text("a\nz\n")
    (folder / "test.txt").write_text("a\n")
    data = read(folder, strict=False)
    found = {finding.kind: finding.names for finding in data.findings}
    assert data.names == ("a", "b") and data.train == ("a",)
    assert data.classes.unknown(data.load("b").layout.label_map) == {7: 48}
    assert found == {
        "other files": ("notes.txt",),
        "doubled names": ("a",),
        "image without label": ("c",),
        "label without image": ("d",),
        "listed but missing": ("z",),
        "in two parts": ("a",),
        "in no part": ("b",),
    }


def test_odd_coco_can_be_inspected(coco: Callable[..., Path], document: dict[str, Any]) -> None:
    document["images"].append({"id": 2, "file_name": "b.png", "width": 8, "height": 6})
    document["annotations"] += [
        {"id": i, "image_id": 1, "category_id": 99, "bbox": [0, 0, 1, 1]} for i in (8, 9)
    ]
    document["annotations"].append({"id": 10, "image_id": 2, "category_id": 3, "bbox": [0, 0, 1, 1]})
    data = read(coco(document), strict=False)
    assert data.names == ("a",) and len(data[0].layout.objects) == 1
    assert [(finding.kind, finding.names) for finding in data.findings] == [
        ("missing image", ("b.png",)),
        ("bad annotation", ("a",)),
    ]
    assert "category id 99" in data.findings[1].text and "1 more" in data.findings[1].text


def test_classes_are_found_where_nothing_names_them(folder: Path) -> None:
    (folder / "classes.json").unlink()
    image(folder / "labels" / "b.png", (6, 8), 4)
    assert read(folder).classes.names == ("background", "class_1", "class_4")
    data = read(folder, ignore=(4,))
    assert data.classes.names == ("background", "class_1") and data.classes.ignore == (4, 255)


def test_labels_of_0_and_255_are_told(folder: Path) -> None:
    (folder / "classes.json").unlink()
    label = np.zeros((6, 8), dtype=np.uint8)
    label[1, 1] = 255
    for name in ("a", "b"):
        Image.fromarray(label).save(folder / "labels" / f"{name}.png")
    data = read(folder)
    (finding,) = data.findings
    assert finding.kind == "0 and 255" and "--ignore 255" in finding.text
    assert data.classes.ids == (0, 255) and data.classes.names == ("background", "object")
    assert data[0].layout.label_map[1, 1] == 255 and not data.classes.ignore
    (finding,) = read(folder, ignore=(255,)).findings
    assert finding.kind == "one class and 255" and "classes.json" in finding.text
    (folder / "classes.json").write_text('{"names": {"0": "background", "255": "object"}}')
    assert read(folder).classes.names == ("background", "object") and not read(folder).findings


def test_colors_and_lists_of_classes_json(folder: Path) -> None:
    document = {"names": ["sky", "tree"], "colors": [[0, 0, 0], [0, 255, 0], [255, 255, 255]], "ignore": [2]}
    (folder / "classes.json").write_text(json.dumps(document))
    pixels = np.zeros((6, 8, 3), dtype=np.uint8)
    pixels[0], pixels[1] = (0, 255, 0), (255, 255, 255)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(folder / "labels" / f"{name}.png")
    data = read(folder)
    assert data[0].layout.label_map[:3, 0].tolist() == [1, 2, 0]
    assert data.classes.names == ("sky", "tree") and data.classes.ignore == (2, 255)
    assert data.classes.classes[1].color == (0, 255, 0)

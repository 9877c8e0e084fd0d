"""COCO and BBBC041: pycocotools agrees with what is written, and what is read is what the JSON says."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from labelmint.formats import read, write
from labelmint.formats.shapes import counts_of
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout

# pycocotools under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def load_silently(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_pycocotools_reads_what_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    classes = ClassSet(
        (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="a"), ClassInfo(id=2, name="b"))
    )
    maps = [
        np.kron(rng.integers(0, 3, (5, 7)), np.ones((4, 3), dtype=int)).astype(np.uint8) for _ in range(3)
    ]
    pairs = [
        AnnotatedImage(
            name=f"p{i}", image=np.zeros((*m.shape, 1), dtype=np.uint8), layout=Layout(label_map=m)
        )
        for i, m in enumerate([*maps, maps[0] * 0])
    ]
    write(pairs, tmp_path / "out", format="coco", classes=classes)
    loaded = load_silently(tmp_path / "out" / "instances.json")
    assert [c["name"] for c in loaded.loadCats(loaded.getCatIds())] == ["a", "b"] and len(
        loaded.getImgIds()
    ) == 4
    for image_id, pair in zip(loaded.getImgIds(), pairs, strict=True):
        annotations = loaded.loadAnns(loaded.getAnnIds(imgIds=[image_id]))
        label_map = sum(
            (loaded.annToMask(a).astype(int) * a["category_id"] for a in annotations),
            np.zeros((20, 21), dtype=int),
        )
        assert np.array_equal(label_map, pair.layout.label_map)
        for annotation in annotations:
            rle = loaded.annToRLE(annotation)
            assert (
                annotation["area"] == oracle.area(rle) and annotation["bbox"] == oracle.toBbox(rle).tolist()
            )


def test_every_kind_of_annotation_is_read(coco: Callable[..., Path], document: dict[str, Any]) -> None:
    plain = {"image_id": 1, "category_id": 3}
    document["annotations"] = [
        plain | {"id": 1, "bbox": [1, 2, 3, 2], "segmentation": [], "score": 0.5, "area": 6},
        plain
        | {
            "id": 2,
            "bbox": [0, 0, 8, 6],
            "segmentation": {"size": [6, 8], "counts": [0, 12, 36]},
            "iscrowd": 1,
        },
        plain
        | {
            "id": 3,
            "segmentation": {
                "size": [6, 8],
                "counts": oracle.encode(np.eye(6, 8, dtype="u1", order="F"))["counts"].decode(),
            },
        },
        plain | {"id": 4, "segmentation": [[1, 1, 5, 1, 5, 4.5]]},
    ]
    data = read(coco(document))
    a, b, c, d = data[0].layout.objects
    assert (a.box, a.rle, a.polygons, a.crowd, a.attributes) == (
        (1, 2, 4, 4),
        None,
        None,
        False,
        {"score": 0.5},
    )
    assert (
        b.crowd
        and b.rle is not None
        and oracle.decode(dict(b.rle))[:, :2].all()
        and oracle.area(dict(b.rle)) == 12
    )
    assert c.box == (0, 0, 6, 6) and c.rle is not None and isinstance(c.rle["counts"], str)
    assert d.polygons == ((1, 1, 5, 1, 5, 4.5),) and d.box == (1, 1, 5, 4.5)
    assert data.names == ("a",) and data.classes.names == ("background", "cell")


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12), st.integers(0, 3))
def test_compressed_counts_are_understood(numbers: list[int], zero: int) -> None:
    numbers = [*([0] if zero == 0 else []), *numbers]
    text = oracle.frPyObjects({"size": [1, sum(numbers)], "counts": numbers}, 1, sum(numbers))[
        "counts"
    ].decode()
    assert counts_of(text) == numbers


def test_images_of_the_usual_tree_are_found_and_names_never_collide(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["images"] = [
        {"id": i, "file_name": f"{part}/a.png", "width": 8, "height": 6}
        for i, part in enumerate(("left", "right"), 1)
    ]
    for part in ("left", "right"):
        (tmp_path / "val2017" / part).mkdir(parents=True)
        Image.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(tmp_path / "val2017" / part / "a.png")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    data = read(tmp_path)
    assert (data.format, data.names) == ("coco", ("left__a", "right__a"))
    assert [len(pair.layout.objects) for pair in data] == [1, 0]


def test_a_label_beside_a_json_wins_and_is_told(coco: Callable[..., Path], document: dict[str, Any]) -> None:
    path = coco(document)
    (path / "masks").mkdir()
    Image.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(path / "masks" / "a.png")
    data = read(path)
    assert data.format == "folder" and "--format-in coco" in data.findings[0].text
    assert read(path, format="coco").format == read(path / "instances.json").format == "coco"


def bbbc041(tmp_path: Path, *categories: str) -> tuple[Path, list[dict[str, Any]]]:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(tmp_path / "images" / "a.png")
    objects = [
        {"bounding_box": {"minimum": {"r": i, "c": 1}, "maximum": {"r": i + 1, "c": 4}}, "category": c}
        for i, c in enumerate(categories)
    ]
    items = [
        {"image": {"pathname": "/images/a.png", "shape": {"r": 6, "c": 8, "channels": 3}}, "objects": objects}
    ]
    (tmp_path / "training.json").write_text(json.dumps(items))
    return tmp_path / "training.json", items


def test_bbbc041_boxes_and_classes(tmp_path: Path) -> None:
    bbbc041(tmp_path, "ring", "difficult", "zebra", "amoeba", "red blood cell")
    data = read(tmp_path)
    assert data.format == "bbbc041" and data.classes.names[-3:] == ("leukocyte", "amoeba", "zebra")
    assert data[0].layout.label_map[:, 0:5:2].tolist() == [[0, i, 0] for i in (3, 255, 8, 7, 1, 0)]
    assert data[0].layout.objects[1].box == (1, 1, 4, 2) and 255 in data.classes.ignore


def test_bbbc041_becomes_coco_and_folder_with_its_ignored_boxes(tmp_path: Path) -> None:
    bbbc041(tmp_path, "ring", "difficult")
    data = read(tmp_path)
    for format in ("coco", "folder"):
        again = read(write(data, tmp_path / format, format=format, classes=data.classes))
        assert again.classes == data.classes and again[0].layout.objects == data[0].layout.objects


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda items: items[0]["objects"][0]["bounding_box"]["maximum"].update(c=11),
            "outside its image of 6x8",
        ),
        (lambda items: items[0]["objects"][0].pop("category"), "lacks a bounding_box"),
        (lambda items: items[0]["objects"][0]["bounding_box"]["minimum"].update(r=5), "the minimum first"),
        (lambda items: items[0]["image"].update(pathname="images/b.png"), "missing, first 'b'"),
        (lambda items: items[0]["image"].update(pathname="../a.png"), "leaves the folder"),
        (lambda items: items[0]["image"].update(shape=None), "expected {r: rows"),
        (
            lambda items: (
                items[0]["image"]["shape"].update(r=8, c=6),
                items[0]["objects"][0]["bounding_box"]["maximum"].update(c=7, r=9),
                items[0]["objects"][0]["bounding_box"]["minimum"].update(c=5, r=1),
                items[0]["objects"].append(json.loads(json.dumps(items[0]["objects"][0]))),
                items[0]["objects"][1]["bounding_box"]["maximum"].update(c=11),
            ),
            r"width and height of 'a\.png' are swapped",
        ),
        (lambda items: items.append(items[0]), "listed twice"),
        (lambda items: items[0].pop("image"), "without image"),
    ],
)
def test_bad_bbbc041(change: Callable[[list[dict[str, Any]]], object], words: str, tmp_path: Path) -> None:
    path, items = bbbc041(tmp_path, "ring")
    change(items)
    path.write_text(json.dumps(items))
    with pytest.raises(ValueError, match=words):
        read(path)

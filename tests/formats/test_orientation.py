"""Photographs with an orientation tag whose labels state no size: taken turned, as the tools that make such labels do,
and that is said; a label PNG states one.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.formats import read
from labelmint.types import TURNED, Array

SIZE = (20, 40)  # as the pixels lie; tag 6 shows 40 x 20 (height x width)
STORED = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
SHOWN = np.rot90(STORED, -1)


def encoded(pixels: Array, tag: int = 1) -> bytes:
    exif, stream = Image.Exif(), BytesIO()
    exif[274] = tag
    Image.fromarray(pixels).save(stream, format="PNG", exif=exif)
    return stream.getvalue()


def put(folder: Path, image: str, tag: int = 6, **texts: str) -> Path:
    """A set of an image with a tag, and texts by path, "__" for "/" and "_X" at the end for ".X"."""
    for name, text in texts.items():
        stem, _, ending = name.replace("__", "/").rpartition("_")
        (folder / f"{stem}.{ending}").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}.{ending}").write_text(text)
    (folder / image).parent.mkdir(parents=True, exist_ok=True)
    (folder / image).write_bytes(encoded(STORED, tag))
    return folder


BOX = {"bbox": [1, 1, 8, 8], "category_id": 1}
COCO = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 1, "name": "cell"}],
    "annotations": [{"id": 1, "image_id": 1, "iscrowd": 0, **BOX}],
}
SHAPE = {"label": "cell", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
XML = (
    "<annotation><filename>a.png</filename><size><width>0</width><height>0</height></size><object><name>cell</name>"
    "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)
CVAT = (
    '<annotations><version>1.1</version><image id="0" name="a.png">'
    '<box label="cell" xtl="1" ytl="1" xbr="9" ybr="9"/></image></annotations>'
)


def sharded(folder: Path, image: str, tag: int = 6, label: Array | None = None) -> Path:
    members = {"a.png": encoded(STORED, tag), "a.json": b'{"objects": []}'}
    members |= {} if label is None else {"a.seg.png": encoded(label)}
    with tarfile.open(folder / "a.tar", "w") as shard:
        for name, content in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, BytesIO(content))
    return folder


SETS: dict[str, tuple[Callable[..., Path], str, dict[str, str]]] = {
    "yolo": (put, "images/a.png", {"labels__a_txt": "0 0.5 0.5 0.2 0.2"}),
    "dota": (put, "images/a.png", {"labelTxt__a_txt": "1 1 9 1 9 9 1 9 cell 0"}),
    "coco": (put, "images/a.png", {"instances_json": json.dumps(COCO)}),
    "voc": (put, "JPEGImages/a.png", {"Annotations__a_xml": XML}),
    "cvat": (put, "images/a.png", {"annotations_xml": CVAT}),
    "labelme": (put, "a.png", {"a_json": json.dumps({"shapes": [SHAPE], "imagePath": "a.png"})}),
    "imagefolder": (
        put,
        "a.png",
        {
            "metadata_jsonl": json.dumps(
                {"file_name": "a.png", "objects": {"bbox": [[1, 1, 8, 8]], "label": [0]}}
            )
        },
    ),
    "webdataset": (sharded, "a.tar", {}),
}


@pytest.mark.parametrize("tag", [3, 6])
@pytest.mark.parametrize("name", SETS)
def test_where_the_label_states_no_size_images_are_turned_and_that_is_said(
    name: str, tag: int, tmp_path: Path
) -> None:
    make, image, texts = SETS[name]
    path = make(tmp_path, image, tag, **texts)
    shown = SHOWN if tag == 6 else STORED[::-1, ::-1]
    for orientation, pixels, notes in (
        ("auto", shown, (TURNED,)),
        ("turned", shown, ()),
        ("stored", STORED, ()),
    ):
        data = read(path, orientation=orientation)
        assert data.format == name and np.array_equal(data[0].image, pixels) and data[0].notes == notes
        assert data.layout("a").size == pixels.shape[:2]


@pytest.mark.parametrize("size", [SIZE, SIZE[::-1]])
@pytest.mark.parametrize("name", ["imagefolder", "webdataset"])
def test_a_label_png_decides(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    label = np.pad(np.ones((4, 4), dtype=np.uint8), ((0, size[0] - 4), (0, size[1] - 4)))
    if name == "imagefolder":
        row = {"file_name": "a.png", "label_file_name": "a.label.png"}
        put(tmp_path, "a.png", metadata_jsonl=json.dumps(row))
        (tmp_path / "a.label.png").write_bytes(encoded(label))
    else:
        sharded(tmp_path, "a.tar", label=label)
    data = read(tmp_path)
    assert data.format == name and data[0].notes == () and data.layout("a").size == size
    assert np.array_equal(data[0].image, STORED if size == SIZE else SHOWN)

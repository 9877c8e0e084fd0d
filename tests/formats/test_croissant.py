"""What lies beside the pairs of a written set: croissant.json and the data-set card, true and the same twice."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.samples import HOLDING_LAYOUTS

from labelmint.formats import FORMATS, read, write
from labelmint.formats.files import new_folder
from labelmint.formats.folder import write_folder
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=4, name="ce|ll")))


def data() -> DataSet:
    box = LayoutObject(class_id=4, box=(1.0, 1.0, 5.0, 4.0))
    label = np.zeros((6, 9), dtype=np.uint8)
    label[1:4, 1:5] = 4
    layouts = {
        "a": Layout(label_map=label, objects=(box, box)),
        "b": Layout(label_map=label, objects=(box,)),
        "ü 1": Layout(label_map=label * 0),
    }
    pairs = {
        name: AnnotatedImage(name=name, image=np.full((6, 9, 3), i, np.uint8), layout=layout)
        for i, (name, layout) in enumerate(layouts.items(), 7)
    }
    return DataSet(
        source="memory",
        format="memory",
        classes=CLASSES,
        names=tuple(pairs),
        load=pairs.__getitem__,
        train=("a", "ü 1"),
        test=("b",),
    )


def described(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("format", HOLDING_LAYOUTS)
def test_every_file_is_described(format: str, tmp_path: Path) -> None:
    out = write(data(), tmp_path / "out", format=format, classes=CLASSES)
    kinds: dict[str, list[dict[str, Any]]] = {"cr:FileObject": [], "cr:FileSet": []}
    for one in described(out)["distribution"]:
        kinds[one["@type"]].append(one)
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    single = {one["contentUrl"]: one["sha256"] for one in kinds["cr:FileObject"]}
    for name, digest in single.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    covered = {
        file.relative_to(out).as_posix()
        for one in kinds["cr:FileSet"]
        for p in one["includes"]
        for file in out.glob(p)
    }
    assert covered | set(single) | {"croissant.json"} == files
    ids = [one["@id"] for key in ("distribution", "recordSet") for one in described(out)[key]]
    assert len(set(ids)) == len(ids)


def test_classes_parts_and_pixels_are_records(tmp_path: Path) -> None:
    out = write(data(), tmp_path / "out", format="folder", classes=CLASSES)
    sets = {one["@id"]: one for one in described(out)["recordSet"]}
    assert set(sets) == {"classes", "images-records", "labels-records", "test", "train"}
    assert [row["classes/name"] for row in sets["classes"]["data"]] == ["background", "ce|ll"]
    assert "license" not in described(out) and "datePublished" not in described(out)


def test_parts_are_read_from_folders(tmp_path: Path) -> None:
    from labelmint.formats.croissant import write_croissant

    for part in ("train", "val"):
        (tmp_path / "images" / part).mkdir(parents=True)
        (tmp_path / "images" / part / f"{part}.png").write_bytes(b"x")
    write_croissant(tmp_path, ["train", "val"], CLASSES, name="n", description="d")
    (images,) = (one for one in described(tmp_path)["recordSet"] if one["@id"] == "images-records")
    assert [one["@id"] for one in images["field"]][-1] == "images-records/part"
    (files,) = described(tmp_path)["distribution"]
    assert files["includes"] == ["images/*.png", "images/**/*.png"]


def test_readers_pass_over_both(tmp_path: Path) -> None:
    for format in HOLDING_LAYOUTS:
        again = read(write(data(), tmp_path / format, format=format, classes=CLASSES), strict=False)
        assert not any(
            file in finding.text for finding in again.findings for file in ("README.md", "croissant.json")
        )


def test_the_card_counts_classes_and_says_what_was_lost(tmp_path: Path) -> None:
    text = (write(data(), tmp_path / "out", format="coco", classes=CLASSES) / "README.md").read_text("utf-8")
    assert "# 3 images with labels" in text and "6x9 pixels" in text and "train 2, test 1" in text
    assert r"| ce\|ll | 4 | 2 | 3 |" in text and "Not carried over" not in text
    maps = [
        AnnotatedImage(
            name="m",
            image=np.zeros((2, 3, 1), np.uint8),
            layout=Layout(label_map=np.eye(2, 3, dtype=np.uint8) * 4),
        )
    ]
    text = (write(maps, tmp_path / "maps", format="coco", classes=CLASSES) / "README.md").read_text("utf-8")
    assert r"| ce\|ll | 4 | 1 |  |" in text and "Not carried over" in text and "1 label maps" in text


def test_a_writer_alone_writes_no_card(tmp_path: Path) -> None:
    """Minting has a card of its own, which nothing may write over."""
    with new_folder(tmp_path / "out") as folder:
        write_folder(data(), folder, CLASSES)
    assert not list((tmp_path / "out").glob("README*"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that mlcroissant calls
@pytest.mark.parametrize("format", HOLDING_LAYOUTS)
def test_mlcroissant_accepts_it(format: str, tmp_path: Path) -> None:
    library = pytest.importorskip("mlcroissant")
    pairs = data()
    out = write(pairs, tmp_path / "out", format=format, classes=CLASSES)
    found = library.Dataset(jsonld=str(out / "croissant.json"))
    assert not found.metadata.issues.errors
    sets = [one.id for one in found.metadata.record_sets]
    rows = {id: list(found.records(id)) for id in sets}
    numbers = FORMATS[format].numbers
    ids = sorted(numbers(CLASSES)[i] for i in CLASSES.ids) if numbers else [0, 4]
    assert [row["classes/id"] for row in rows["classes"]] == ids
    for id in {"images-records", "labels-records"} & set(sets) if format == "folder" else ():
        assert len(rows[id]) == 3
        for row in rows[id]:
            pair = pairs.load(row[f"{id}/name"].decode())
            first = np.asarray(row[f"{id}/pixels"])[:, :, 0]
            expected = pair.image[:, :, 0] if id == "images-records" else pair.layout.label_map
            assert np.array_equal(first, expected)
    if format == "folder":  # whose parts are lists
        assert [row["train/name"].decode() for row in rows["train"]] == ["a", "ü 1"]
    if format in ("coco", "yolo"):  # whose parts are folders
        seen = {
            row["images-records/name"].decode(): row["images-records/part"].decode()
            for row in rows["images-records"]
        }
        assert seen == {"a": "train", "ü 1": "train", "b": "test"}


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_the_part_of_an_image_is_read_off_its_path_from_the_beginning(format: str, tmp_path: Path) -> None:
    """As readers of croissant do, which match a whole path from its first sign on."""
    out = write(data(), tmp_path / "out", format=format, classes=CLASSES)
    text = (out / "croissant.json").read_text("utf-8")
    (records,) = (one for one in json.loads(text)["recordSet"] if one["@id"] == "images-records")
    (part,) = (one for one in records["field"] if one["@id"].endswith("/part"))
    pattern = re.compile(part["source"]["transform"]["regex"])
    found = {path.stem: pattern.match(path.relative_to(out).as_posix()) for path in out.glob("images/*/*")}
    assert {name: match and match[1] for name, match in found.items()} == {
        "a": "train",
        "ü 1": "train",
        "b": "test",
    }

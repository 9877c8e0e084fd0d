"""Labels and images of folders that are odd: smeared ones, class lists of other forms, turned images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.formats.test_odd_folders import (
    SIZE,
    as_jpeg,
    discs,
    findings_of,
    image_of,
    label_of,
    plain,
    save,
    smoothed,
)

from labelmint.datasets.watching import told, watched
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.types import Array, DataSet


@pytest.mark.parametrize("ids", [(255,), (1, 9), (20, 90, 160)], ids=str)
@pytest.mark.parametrize(
    "smear", [as_jpeg, smoothed(Image.Resampling.BILINEAR), smoothed(Image.Resampling.BICUBIC)]
)
def test_smeared_labels_are_told(
    smear: Callable[[Array], Array], ids: tuple[int, ...], tmp_path: Path
) -> None:
    for k in range(3):
        save(smear(discs(64, ids, k)), tmp_path / "labels" / f"s{k}.png")
        save(np.zeros((*smear(discs(64, ids, k)).shape, 3), np.uint8), tmp_path / "images" / f"s{k}.png")
    found = findings_of(read(tmp_path))["smeared labels"].text
    assert "JPEG" in found and "classes.json" in found


@pytest.mark.parametrize("classes", [2, 30, 250])
def test_many_rare_classes_are_not_called_smeared(classes: int, tmp_path: Path) -> None:
    ids = [k for k in range(1, classes) if k != 255]
    for k in range(12):
        save(discs(64, ids, k), tmp_path / "labels" / f"s{k}.png")
        save(np.zeros((64, 64, 3), np.uint8), tmp_path / "images" / f"s{k}.png")
    assert "smeared labels" not in findings_of(read(tmp_path))


# classes.json --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"0": "background", "1": "disc", "2": "square"},
        ["background", "disc", "square"],
        {"background": 0, "disc": 1, "square": 2},
        {"names": ["background", "disc", "square"]},
    ],
    ids=["names by id", "list", "ids by name", "as documented"],
)
def test_class_lists_of_other_forms(document: object, tmp_path: Path) -> None:
    path = plain(tmp_path)
    (path / "classes.json").write_text(json.dumps(document))
    assert dict(zip(read(path).classes.ids, read(path).classes.names, strict=True)) == {
        0: "background",
        1: "disc",
        2: "square",
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"name": {"0": "background"}}, "the unknown key 'name'; did you mean 'names'"),
        ({"names": ["a"], "Colours": {}}, "did you mean 'colors'"),
        ({"classes": ["a"]}, "the unknown key 'classes'; expected 'names'"),
        ({"a": 1, "b": 1}, "two class names have the same id"),
    ],
)
def test_unknown_keys_are_refused(document: object, words: str, tmp_path: Path) -> None:
    path = plain(tmp_path)
    (path / "classes.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=words):
        read(path)


# Images --------------------------------------------------------------------------------------------------------


def tagged(pixels: Array, tag: int, path: Path) -> None:
    exif = Image.Exif()
    exif[274] = tag
    save(pixels, path, exif=exif)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_images_are_turned_as_their_labels_want(tag: int, suffix: str, tmp_path: Path) -> None:
    """The label's size decides; where both fit, the image is taken as viewers show it, and it is said."""
    exif = Image.Exif()
    exif[274] = tag
    upright = Image.fromarray(image_of(0))
    upright.getexif()[274] = tag
    shown = np.array(ImageOps.exif_transpose(upright))
    tagged(image_of(0), tag, tmp_path / "images" / f"a.{suffix}")
    turns = shown.shape[:2] != SIZE
    for fits, expected in ((SIZE, image_of(0) if turns else shown), (shown.shape[:2], shown)):
        save(np.ones(fits, np.uint8), tmp_path / "labels" / "a.png")
        data = read(tmp_path)
        assert np.array_equal(data[0].image, expected)
        assert ("orientation tags" in findings_of(data)) == (tag > 1 and not turns)
    if not turns:
        stored = read(tmp_path, orientation="stored")
        assert np.array_equal(stored[0].image, image_of(0)) and not findings_of(stored)
        assert not findings_of(read(tmp_path, orientation="turned"))


def test_messages_of_sizes_name_the_tag(tmp_path: Path) -> None:
    tagged(image_of(0), 6, tmp_path / "images" / "a.png")
    save(np.ones((5, 5), np.uint8), tmp_path / "labels" / "a.png")
    with pytest.raises(InputError, match="its orientation tag 6 shows it as 8x6"):
        list(read(tmp_path))
    save(label_of(0), tmp_path / "labels" / "a.png")
    with pytest.raises(InputError, match="orientation tag 6"):
        list(read(tmp_path, orientation="turned"))


def test_objects_lie_on_the_turned_image(tmp_path: Path) -> None:
    """A COCO file says the size of the image that was annotated, or nothing: then viewers' sizes hold."""
    tagged(image_of(0), 6, tmp_path / "images" / "a.png")
    shown = np.rot90(image_of(0), -1)
    document = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "disc"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 8], "iscrowd": 0}],
    }
    for size in ({}, {"width": 6, "height": 8}):
        document["images"][0] |= size
        (tmp_path / "instances.json").write_text(json.dumps(document))
        assert np.array_equal(read(tmp_path)[0].image, shown)
    document["images"][0] |= {"width": 8, "height": 6}
    document["annotations"][0]["bbox"] = [0, 0, 8, 2]
    (tmp_path / "instances.json").write_text(json.dumps(document))
    assert np.array_equal(read(tmp_path)[0].image, image_of(0))


def test_transparent_images_are_told(tmp_path: Path) -> None:
    path = plain(tmp_path)
    alpha = np.full(SIZE, 255, np.uint8)
    save(np.dstack([image_of(0), alpha]), path / "images" / "s0.png")
    assert not findings_of(read(path))
    alpha[0, 0] = 0
    save(np.dstack([image_of(0), alpha]), path / "images" / "s0.png")
    finding = findings_of(read(path))["transparent images"]
    assert finding.names == ("s0",) and finding.text.startswith("1 images")
    assert np.array_equal(read(path)[0].image, image_of(0))


# Objects that were annotated and not painted -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([0.1, 0.1, 0.3, 0.3], "coordinates lie between 0 and 1"),
        ([3.1, 3.1, 0.3, 0.3], "smaller than a pixel"),
    ],
)
def test_objects_without_a_pixel_are_told(box: list[float], words: str, tmp_path: Path) -> None:
    save(image_of(0), tmp_path / "images" / "a.png")
    boxes = [[4, 1, 2, 2], box, box]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "disc"}],
        "annotations": [
            {"id": k, "image_id": 1, "category_id": 1, "bbox": one, "iscrowd": 0}
            for k, one in enumerate(boxes)
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(document))
    finding = findings_of(read(tmp_path))["objects without pixels"]
    assert finding.text.startswith("2 of 3 objects") and words in finding.text and finding.names == ("a",)


# Whoever loads pairs is told -----------------------------------------------------------------------------------


def test_what_is_odd_is_told_once_where_loading_ends(tmp_path: Path) -> None:
    path, heard, loaded = plain(tmp_path), list[str](), list[str]()
    save(np.zeros(SIZE, np.uint8), path / "labels" / "s1.png")
    data = read(path)

    def load(name: str) -> object:
        loaded.append(name)
        return data.load(name)

    listened = watched(DataSet(**{**vars(data), "load": load}), lambda finding: heard.append(finding.kind))
    for name in (*listened.names, *listened.names):
        assert np.array_equal(listened.subset([name])[0].image, data.load(name).image)
    assert not heard and len(loaded) == 6
    told(listened)
    told(listened.subset(["s0"]))
    assert heard == ["empty labels"]
    told(data)  # nobody watches


def test_a_part_of_the_pairs_says_so(tmp_path: Path) -> None:
    path, heard = plain(tmp_path), list[str]()
    (path / "classes.json").write_text('["background", "disc", "square", "ring"]')
    data = watched(read(path), lambda finding: heard.append(finding.text))
    data.load("s0")
    told(data)
    assert heard == ["1 classes are listed but never seen in the 1 pairs that were loaded: ring"]

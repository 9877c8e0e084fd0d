"""Files are found whatever Unicode form and letter case the disk has their names in, where that leaves no doubt."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import CLASSES, box, painted, pair

from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.lookup import Lookup, find_image

E_ACUTE, E_AND_ACUTE = "z\u00e9.png", "ze\u0301.png"


def touch(path: Path, *files: str) -> Path:
    for file in files:
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text("")
    return path


@pytest.mark.parametrize(
    ("there", "name", "expected"),
    [
        (["a.png", "A.png"], "A.png", "A.png"),
        (["A.PNG"], "a.png", "A.PNG"),
        (["Images/Train/A.png"], "images\\train/./a.png", "Images/Train/A.png"),
        ([E_AND_ACUTE], E_ACUTE, E_AND_ACUTE),
        ([E_ACUTE.upper()], E_AND_ACUTE, E_ACUTE.upper()),
        (["A.png", "a.PNG"], "a.png", None),
        (["a.png/b.png"], "a.png", None),
        (["b.png"], ".", None),
        (["b.png"], "a.png", None),
        (["b.png"], "a" * 999, None),
    ],
)
def test_the_very_name_is_found_else_the_only_one_like_it(
    there: list[str], name: str, expected: str | None, tmp_path: Path
) -> None:
    found = find_image([name], [touch(tmp_path, *there)], "x", Lookup())
    assert found == (None if expected is None else tmp_path / expected)


def test_a_later_name_or_folder_that_is_there_as_written_goes_before_one_that_is_like_it(
    tmp_path: Path,
) -> None:
    touch(tmp_path, "one/A.png", "one/b.png", "two/a.png")
    roots = [tmp_path / "one", tmp_path / "two", tmp_path / "none"]
    assert find_image(["a.png"], roots, "x", Lookup()) == tmp_path / "two" / "a.png"
    assert find_image(["a.png", "b.png"], roots[:1], "x", Lookup()) == tmp_path / "one" / "b.png"
    assert find_image(["a.png", "c.png"], roots[:1], "x", Lookup()) == tmp_path / "one" / "A.png"


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "C:\\a.png", "a\0.png", " ", 7, None])
def test_names_that_leave_the_folder_are_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x: "):
        find_image([name], [tmp_path], "x", Lookup())


FORMS: dict[str, Callable[[str], str]] = {
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "capitals": str.upper,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("format", ["coco", "coco-panoptic", "voc", "labelme", "cvat", "imagefolder", "yolo"])
def test_sets_whose_images_changed_their_form_are_read(format: str, form: str, tmp_path: Path) -> None:
    """As copying to another system does it: all files but those that name others."""
    path = write([pair("z\u00e9", painted(box(0, 0, 4, 4)))], tmp_path / "a", format=format, classes=CLASSES)
    (before,) = read(path)
    for file in [file for file in path.rglob("*.png") if file.is_file()]:
        file.rename(file.with_name(FORMS[form](file.name)))
    after = read(path)
    assert np.array_equal(after[0].image, before.image) and not after.findings
    assert after[0].layout.objects == before.layout.objects


def test_a_text_of_yolo_that_is_another_images_is_not_taken(tmp_path: Path) -> None:
    pairs = [pair(name, painted(box(i, 0, i + 4, 4))) for i, name in enumerate(("a", "b", "c"))]
    path = write(pairs, tmp_path / "a", format="yolo", classes=CLASSES)
    (path / "images" / "b.png").rename(path / "images" / "A.png")
    (path / "labels" / "b.txt").rename(path / "labels" / "B.txt")
    (path / "labels" / "c.txt").rename(path / "labels" / "C.txt")
    data = read(path)
    counts = {one.name: [tuple(shape.box) for shape in one.layout.objects] for one in data}
    assert counts == {"A": [], "a": [(0, 0, 4, 4)], "c": [(2, 0, 6, 4)]}
    (path / "train.txt").write_text("images/C.PNG\n")
    (path / "data.yaml").write_text("train: train.txt\nnames: [x, y, z]\n")
    assert read(path).train == ("c",)


def test_two_annotations_of_one_image_are_refused(tmp_path: Path) -> None:
    """Such as two entries that differ in capitals alone where one file is there, or a copy of a labelme JSON."""
    one = pair("a", painted(box(0, 0, 4, 4)))
    for format, file in (
        ("cvat", "annotations.xml"),
        ("imagefolder", "metadata.jsonl"),
        ("labelme", "a.json"),
    ):
        path = write([one], tmp_path / format, format=format, classes=CLASSES)
        if format == "cvat":
            text = (path / file).read_text(encoding="utf-8")
            start, end = text.index("  <image "), text.index("</annotations>")
            again = text[start:end].replace('"a.png"', '"A.png"')
            (path / file).write_text(text[:end] + again + text[end:], encoding="utf-8")
        elif format == "imagefolder":
            row = json.loads((path / file).read_text())
            rows = [row, row | {"file_name": "A.png", "name": "b"}]
            (path / file).write_text("".join(json.dumps(one) + "\n" for one in rows))
        else:
            shutil.copy(path / file, path / "b.json")
        with pytest.raises(InputError, match="keep one"):
            read(path)
        assert len(read(path, strict=False)) == 1


def test_missing_images_are_said_to_be_missing(tmp_path: Path) -> None:
    path = write([pair("a", painted(box(0, 0, 4, 4)))], tmp_path / "a", format="imagefolder", classes=CLASSES)
    (path / "a.png").unlink()
    for strict in (True, False):
        with pytest.raises(InputError, match=r"1 of its images are missing|none of its 1 images was found"):
            read(path, strict=strict)
    Image.new("RGB", (12, 9)).save(path / "a.png")
    assert len(read(path)) == 1

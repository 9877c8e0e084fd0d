"""Labels that lie otherwise: TIFF, BMP and GIF files, beside their images, and as masks of defects; and what is said
where there are none that can be read.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.formats.image_files import read_ids, read_image
from labelmint.types import Array

LABEL = np.zeros((6, 8), np.uint8)
LABEL[1:3, 1:5], LABEL[4:, 2:] = 1, 7


def save(array: Array, path: Path, palette: list[int] | None = None, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    if palette:
        picture.putpalette(palette)
    picture.save(path, **options)


def photo(path: Path, number: int = 0) -> None:
    save(np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8), path)


@pytest.mark.parametrize(
    ("ending", "options"),
    [("tif", {}), ("TIFF", {"compression": "tiff_lzw"}), ("bmp", {}), ("gif", {}), ("png", {})],
)
@pytest.mark.parametrize("folders", [("images", "labels"), ("Images", "Masks"), ("train/imgs", "train/gt")])
def test_labels_of_every_kind_without_loss_hold_their_ids(
    ending: str, options: dict[str, str], folders: tuple[str, str], tmp_path: Path
) -> None:
    photo(tmp_path / folders[0] / "a.jpg")
    save(LABEL, tmp_path / folders[1] / f"a.{ending}", **options)
    data = read(tmp_path)
    assert data.format == "folder" and data.classes.ids == (0, 1, 7)
    np.testing.assert_array_equal(data[0].layout.label_map, LABEL)


@pytest.mark.parametrize("ending", ["tif", "bmp", "gif", "png"])
def test_black_and_white_is_read_alike(ending: str, tmp_path: Path) -> None:
    save(np.where(LABEL > 0, 255, 0).astype(np.uint8), tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read_ids(tmp_path / f"a.{ending}"), np.where(LABEL > 0, 255, 0))


@pytest.mark.parametrize("ending", ["tif", "bmp", "gif", "png"])
def test_colors_of_the_list_are_read_from_any_palette(ending: str, tmp_path: Path) -> None:
    save((LABEL > 0).astype(np.uint8), tmp_path / f"a.{ending}", [0, 0, 0, 200, 0, 0])
    found = read_ids(tmp_path / f"a.{ending}", colors={(0, 0, 0): 0, (200, 0, 0): 4})
    np.testing.assert_array_equal(found, np.where(LABEL > 0, 4, 0))


def white_zero(path: Path, values: Sequence[int], bits: int) -> None:
    """A TIFF of one line, stored as these values, of whom 0 is shown as white."""
    text = "".join(f"{value:0{bits}b}" for value in values)
    content = int(text, 2).to_bytes(len(text) // 8, "big")
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: 0, 273: 122, 277: 1, 278: 1, 279: len(content)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + content)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_ids_of_tiff_are_those_that_are_stored_though_0_is_white(bits: int, tmp_path: Path) -> None:
    white_zero(tmp_path / "a.tif", (0, 1, 2, 3), bits)
    assert read_image(tmp_path / "a.tif")[0, 0, 0] == 255
    assert read_ids(tmp_path / "a.tif").tolist() == [[0, 1, 2, 3]]


def test_one_bit_of_tiff_is_in_doubt_where_0_is_white(tmp_path: Path) -> None:
    white_zero(tmp_path / "a.tif", (0, 1, 1, 0, 0, 0, 0, 0), 1)
    with pytest.raises(InputError, match="either may be the class id 1"):
        read_ids(tmp_path / "a.tif")


def _pages(path: Path) -> None:
    Image.fromarray(LABEL).save(path, save_all=True, append_images=[Image.fromarray(LABEL.T.copy())])


@pytest.mark.parametrize(
    ("makes", "words"),
    [
        (lambda path: save(LABEL, path, compression="jpeg"), "compressed as JPEG"),
        (lambda path: save(LABEL.astype(np.int32) - 3, path), "-3..4; expected 0..65535"),
        (lambda path: save(LABEL.astype(np.int32) * 65536, path), "0..458752"),
        (lambda path: save(LABEL.astype(np.float32), path), "expected class ids"),
        (_pages, "several pages"),
    ],
)
def test_tiff_labels_that_hold_no_sure_ids_are_refused(
    makes: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    makes(tmp_path / "a.tif")
    with pytest.raises(InputError, match=words):
        read_ids(tmp_path / "a.tif")


def test_wide_ids_come_from_tiff(tmp_path: Path) -> None:
    save(LABEL.astype(np.uint16) * 9000, tmp_path / "a.tif")
    np.testing.assert_array_equal(read_ids(tmp_path / "a.tif"), LABEL.astype(np.uint16) * 9000)


# Beside --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["_mask.png", "_mask.tif", "-GT.bmp", "_label.gif"])
def test_labels_beside_their_images(ending: str, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b_1")):
        photo(tmp_path / f"{name}.png", number)
        save(LABEL + number, tmp_path / f"{name}{ending}")
    data = read(tmp_path)
    assert (data.format, data.names) == ("beside", ("a", "b_1"))
    np.testing.assert_array_equal(data.load("b_1").layout.label_map, LABEL + 1)


def test_folders_of_labels_beside_their_images_are_parts_and_roboflow_names_the_classes(
    tmp_path: Path,
) -> None:
    for number, part in enumerate(("train", "valid")):
        photo(tmp_path / part / "a.jpg", number)
        save(LABEL, tmp_path / part / "a_mask.png")
        (tmp_path / part / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n7, dog\n")
    data = read(tmp_path)
    assert (data.train, data.validation) == (("train__a",), ("valid__a",))
    assert data.classes.names == ("background", "cat", "dog")
    (tmp_path / "valid" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, dog\n7, cat\n")
    with pytest.raises(InputError, match="list other classes"):
        read(tmp_path)
    (tmp_path / "valid" / "_classes.csv").write_text(f"Pixel Value, Class\n0, {'a' * 140_000}\n")
    with pytest.raises(InputError, match=r"_classes\.csv: no table"):
        read(tmp_path)


def test_an_image_without_a_label_beside_it_is_left_out_and_said(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        photo(tmp_path / name)
    save(LABEL, tmp_path / "a_mask.png")
    data = read(tmp_path)
    assert data.names == ("a",)
    assert [one.names for one in data.findings if one.kind == "image without label"] == [("b",)]


def test_another_format_beside_masks_is_read_first(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    save(LABEL, tmp_path / "a_mask.png")
    shape = {"label": "cell", "points": [[1, 1], [4, 1], [4, 4]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 6, "imageWidth": 8}
    (tmp_path / "a.json").write_text(json.dumps(document))
    data = read(tmp_path)
    assert data.format == "labelme"
    assert "--format-in beside" in next(one.text for one in data.findings if one.kind == "several formats")


# Defects -------------------------------------------------------------------------------------------------------


def test_masks_of_defects_are_classes_and_good_things_hold_none(tmp_path: Path) -> None:
    for number, place in enumerate(("train/good/000", "test/good/000", "test/cut/000", "test/hole/000")):
        photo(tmp_path / f"{place}.png", number)
    for kind in ("cut", "hole"):
        save(np.where(LABEL > 0, 255, 0).astype(np.uint8), tmp_path / "ground_truth" / kind / "000_mask.png")
    data = read(tmp_path)
    assert data.format == "mvtec" and data.classes.names == ("background", "cut", "hole")
    assert (data.train, data.test and len(data.test)) == (("train__good__000",), 3)
    for name, defect in (("train__good__000", 0), ("test__cut__000", 1), ("test__hole__000", 2)):
        np.testing.assert_array_equal(data.load(name).layout.label_map, np.where(LABEL > 0, defect, 0))
    (tmp_path / "test" / "cut" / "000.png").rename(tmp_path / "test" / "cut" / "001.png")
    with pytest.raises(InputError, match="label without image"):
        read(tmp_path)


# Nothing that can be read --------------------------------------------------------------------------------------


def _jpeg_labels(path: Path) -> None:
    photo(path / "images" / "a.jpg")
    save(LABEL, path / "masks" / "a.jpg")


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path / "set.zip", "w") as archive:
        archive.writestr("a.txt", "a")


def _elsewhere(path: Path, place: str = "other") -> None:
    (path.parent / "other").mkdir(exist_ok=True)
    text = f"path: {path.parent / place}\ntrain: images\nval: images\nnames: [cell]\n"
    (path / "data.yaml").write_text(text)


def _table(path: Path) -> None:
    photo(path / "a.jpg")
    (path / "boxes.csv").write_text("a.jpg,1,2,3,4,cell\n")


@pytest.mark.parametrize(
    ("makes", "words"),
    [
        (
            _jpeg_labels,
            r"masks/ holds a.jpg, and JPG changes class ids; save labels in a format without loss",
        ),
        (_archive, r"set.zip is an archive; unpack it and pass the folder$"),
        (_elsewhere, r"its images lie in .*other, as data.yaml says; pass that folder$"),
        (
            lambda path: _elsewhere(path, "gone"),
            r"gone, as data.yaml says, and that is not there; put data.yaml",
        ),
        (lambda path: (path / "a.nii.gz").write_bytes(b"x"), r"a.nii.gz is a volume; save its slices"),
        (lambda path: photo(path / "a" / "b.jpg"), r"the image a/b.jpg lies there, and labels are missing"),
        (_table, r"the image a.jpg lies there, and boxes.csv is of no format that is known"),
        (lambda path: None, r"the folder is empty; expected images/"),
    ],
)
def test_what_lies_there_is_said(makes: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    makes(tmp_path / "set")
    with pytest.raises(InputError, match=words):
        read(tmp_path / "set")


def test_an_archive_or_a_lone_image_is_told_what_to_do(tmp_path: Path) -> None:
    _archive(tmp_path)
    photo(tmp_path / "a.png")
    for name, words in (
        ("set.zip", "it is an archive; unpack it"),
        ("a.png", "it is an image; pass the folder"),
    ):
        with pytest.raises(InputError, match=words):
            read(tmp_path / name)


def test_a_labelme_file_is_found_among_others(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"a{number}.json").write_text("{}")
    photo(tmp_path / "z.png")
    shape = {"label": "cell", "points": [[1, 1], [4, 1], [4, 4]], "shape_type": "polygon"}
    (tmp_path / "z.json").write_text(json.dumps({"shapes": [shape], "imagePath": "z.png"}))
    assert read(tmp_path).format == "labelme"

"""Images without labels, and folders of classes: read where they are welcome, refused where labels are needed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read, write
from labelmint.formats.images_alone import UNLABELLED
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

CLASSES = ClassSet((ClassInfo(id=2, name="cat", color=(9, 8, 7)), ClassInfo(id=700, name="a dog")))


def picture(file: Path, shade: int = 9) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 8, 3), shade, np.uint8)).save(file)


def pairs(ids: dict[str, int]) -> list[AnnotatedImage]:
    rng = np.random.default_rng(0)
    return [
        AnnotatedImage(
            name=name,
            image=rng.integers(0, 256, (6, 8, 3), dtype=np.uint8),
            layout=Layout(label_map=np.full((6, 8), which, np.uint16 if which > 255 else np.uint8)),
        )
        for name, which in ids.items()
    ]


def test_images_are_read_alone_only_where_they_are_welcome(tmp_path: Path) -> None:
    for name in ("train/a.jpg", "train/deep/b.png", "val/c.png", ".hidden/d.png"):
        picture(tmp_path / name)
    with pytest.raises(InputError, match=r"3 images lie there, first .*, and labels are missing"):
        read(tmp_path)
    data = read(tmp_path, alone=True)
    assert (data.format, data.classes, data.names) == ("images", UNLABELLED, ("a", "b", "c"))
    assert (data.train, data.validation, data.test) == (("a", "b"), ("c",), None)
    assert data[0].layout.size == data.layout("a").size == (6, 8)
    assert read(tmp_path, format="images").names == data.names
    (tmp_path / "val" / "c.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"c\.png"):
        read(tmp_path, alone=True).load("c")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        read(tmp_path / "none", format="images")


def test_labels_come_first_where_they_are_there(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "contact_sheet.png")
    assert read(tmp_path, alone=True).names == ("a",)  # what lies beside images/ is none of them
    picture(tmp_path / "labels" / "a.png", 1)
    Image.fromarray(np.ones((6, 8), np.uint8)).save(tmp_path / "labels" / "a.png")
    assert read(tmp_path, alone=True).format == "folder"


@pytest.mark.parametrize("format", [name for name, one in FORMATS.items() if one.images_alone])
def test_images_come_back_from_every_format_that_holds_them_alone(format: str, tmp_path: Path) -> None:
    given = pairs({"a": 0, "b": 0})
    for place in ("one", "other"):
        write(given, tmp_path / place, format=format, classes=UNLABELLED)
    back = read(tmp_path / "one", alone=True)
    assert (back.classes, back.names) == (UNLABELLED, ("a", "b"))
    for pair, its in zip(given, back, strict=True):
        assert np.array_equal(pair.image, its.image)
    files = [
        {file.relative_to(tmp_path / place): file.read_bytes() for file in (tmp_path / place).rglob("*.*")}
        for place in ("one", "other")
    ]
    assert files[0] == files[1]
    with pytest.raises(InputError):
        read(tmp_path / "one")


def test_formats_that_need_labels_say_which_do_not(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"--format coco: needs labels, .* take folder, imagefolder or webdataset"
    ):
        write(pairs({"a": 0}), tmp_path / "out", format="coco", classes=UNLABELLED)


def test_a_folder_for_each_class_comes_back(tmp_path: Path) -> None:
    given = pairs({"a": 2, "b": 700, "c": 2, "d": 700, "e": 2})
    by_name = {pair.name: pair for pair in given}
    data = DataSet(
        source="made",
        format="made",
        classes=CLASSES,
        names=tuple(by_name),
        load=by_name.__getitem__,
        train=tuple("abde"),
        test=("c",),
    )
    write(data, tmp_path / "out", format="class-folders", classes=CLASSES)
    assert (tmp_path / "out" / "train" / "a dog" / "b.png").is_file()
    back = read(tmp_path / "out", format="class-folders")
    assert (back.names, back.test, back.classes.names) == (data.names, data.test, CLASSES.names)
    assert back.classes.classes[0].color == (9, 8, 7)
    for pair in given:
        again = back.load(pair.name)
        assert np.array_equal(again.image, pair.image)
        assert np.array_equal(again.layout.label_map, pair.layout.label_map)
        assert np.array_equal(back.undecoded(pair.name).layout.label_map, pair.layout.label_map)
    with pytest.raises(InputError):  # labels are nowhere, unless folders are taken for them
        read(tmp_path / "out")


def test_folders_are_taken_for_classes_where_images_alone_are_welcome(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/3.png"):
        picture(tmp_path / name)
    data = read(tmp_path, alone=True)
    assert (data.format, data.classes.ids, data.classes.names) == ("class-folders", (0, 1), ("cat", "dog"))
    assert data.names == ("cat__1", "cat__2", "dog__1", "dog__3")
    assert data.load("dog__3").layout.label_map.min() == 1
    picture(tmp_path / "loose.png")  # an image of no class: these are folders of something else
    assert read(tmp_path, alone=True).format == "images"
    (tmp_path / "loose.png").unlink()
    (tmp_path / "cat").rename(tmp_path / "images")
    assert read(tmp_path, alone=True).format == "images"


def test_one_small_class_does_not_undo_the_others(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "emu/1.png"):
        picture(tmp_path / name)
    assert read(tmp_path, alone=True).classes.names == ("cat", "dog", "emu")
    (tmp_path / "cat" / "2.png").unlink()
    data = read(tmp_path, alone=True)
    assert data.format == "images"
    assert [one.kind for one in data.findings] == ["several formats"]
    assert "--format-in class-folders" in data.findings[0].text


def test_a_class_may_be_called_like_a_part_where_the_format_is_named(tmp_path: Path) -> None:
    for kind in ("bus", "car", "test"):
        for number in range(3):
            picture(tmp_path / kind / f"{number}.png")
    data = read(tmp_path, format="class-folders")
    assert (data.classes.names, data.test, len(data.names)) == (("bus", "car", "test"), None, 9)
    data = read(tmp_path, alone=True)  # nothing that may be kept apart is trained on unasked
    assert (data.format, len(data.test or ())) == ("images", 3)
    assert "--format-in class-folders" in data.findings[0].text
    (tmp_path / "bus").rename(tmp_path / "val")  # of two such names both are parts
    assert read(tmp_path, alone=True).format == "images"


def test_what_folders_of_classes_cannot_hold_is_refused(tmp_path: Path) -> None:
    mixed = pairs({"a": 2})
    mixed[0].layout.label_map[0, 0] = 255
    with pytest.raises(InputError, match="holds one class an image, and 'a' shows 2"):
        write(mixed, tmp_path / "out", format="class-folders", classes=CLASSES)
    slash = ClassSet((ClassInfo(id=2, name="cat/dog"),))
    with pytest.raises(InputError, match="'cat/dog' can name none"):
        write(pairs({"a": 2}), tmp_path / "out", format="class-folders", classes=slash)
    picture(tmp_path / "in" / "cat" / "a.png")
    with pytest.raises(InputError, match="no folders of classes"):
        read(tmp_path / "in", format="class-folders")
    picture(tmp_path / "in" / "dog" / "b.png")
    (tmp_path / "in" / "classes.json").write_text('{"names": {"0": "cat"}}')
    with pytest.raises(InputError, match="names no class 'dog'"):
        read(tmp_path / "in", format="class-folders")

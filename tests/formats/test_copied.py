"""Laws of files that are copied: what is read of a copy is what was read of the file, in every format that is written;
what other programs would read otherwise is encoded; what is damaged is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.formats.samples import HOLDING_LAYOUTS

from labelmint.contracts import difference
from labelmint.datasets.merged import merge
from labelmint.errors import InputError
from labelmint.formats import FORMATS, image_files, painting, read, write
from labelmint.formats.painting import PaintedLayout
from labelmint.formats.undecoded import UndecodedImage
from labelmint.formats.xmp import xmp_of
from labelmint.types import AnnotatedImage, DataSet

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
SAID = {"system": "mint", "seed": "4"}


def encoded(format: str, pixels: np.ndarray = PIXELS, mode: str | None = None, **more: object) -> bytes:
    stream, picture = BytesIO(), Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(stream, format=format, **more)
    return stream.getvalue()


def with_text() -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in SAID.items():
        info.add_text(key, value)
    return encoded("PNG", pnginfo=info)


FILES = {
    "a.jpg": encoded("JPEG", xmp=xmp_of(SAID)),
    "b.JPEG": encoded("JPEG", PIXELS[:, :, 0]),
    "c.png": with_text(),
    "d.bmp": encoded("BMP"),
    "e.tif": encoded("TIFF"),
    "f.webp": encoded("WEBP"),
    "wrong.png": encoded("JPEG"),  # a JPEG with another ending
}
ENDINGS = {"a": "jpg", "b": "jpeg", "c": "png", "d": "bmp", "e": "tif", "f": "webp", "wrong": "jpg"}


def coco(path: Path, files: dict[str, bytes]) -> Path:
    """A COCO set of some files, each with one outline and one box."""
    (path / "images").mkdir(parents=True)
    images, annotations = [], []
    for number, (name, content) in enumerate(files.items()):
        (path / "images" / name).write_bytes(content)
        images.append({"id": number, "file_name": name, "width": 32, "height": 24})
        outline = [4.5, 3, 20, 3, 20, 15.25]
        for segmentation, bbox in (([outline], [4.5, 3, 15.5, 12.25]), ([], [21, 16, 8, 6])):
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": 1, "bbox": bbox}
                | {"segmentation": segmentation, "iscrowd": 0}
            )
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    (path / "instances.json").write_text(json.dumps(document))
    return path


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return read(coco(tmp_path / "data", FILES))


def content_of(pair: AnnotatedImage) -> bytes:
    assert isinstance(pair, UndecodedImage)
    return pair.file.read_bytes() if isinstance(pair.file, Path) else pair.file.content()


@pytest.mark.parametrize("format", [one for one in HOLDING_LAYOUTS if len(FORMATS[one].image_formats) > 1])
def test_every_format_copies_files_and_finds_them_again(format: str, data: DataSet, tmp_path: Path) -> None:
    out = write(data, tmp_path / "out", format=format, classes=data.classes)
    again = read(out, format=format)
    assert again.names == data.names
    for (name, content), (key, ending) in zip(FILES.items(), ENDINGS.items(), strict=True):
        copy, before = again.undecoded(key), data.load(key)
        assert isinstance(copy, UndecodedImage) and content_of(copy) == content, name
        assert copy.ending == ending or format == "webdataset"  # whose files are members without names
        assert difference(copy, again.load(key)) is None, key  # the fast path is the slow one
        assert copy.provenance == before.provenance and np.array_equal(copy.image, before.image)
    assert write(data, tmp_path / "b", format=format, classes=data.classes).name == "b"
    first, second = (
        {file.relative_to(one): file.read_bytes() for file in one.rglob("*") if file.is_file()}
        for one in (out, tmp_path / "b")
    )
    assert first == second


def test_a_format_that_is_asked_for_is_encoded_unless_it_is_there(data: DataSet, tmp_path: Path) -> None:
    out = write(data, tmp_path / "out", format="yolo", classes=data.classes, image_format="jpg")
    there = {file.name for file in (out / "images").iterdir()}
    assert there == {"a.jpg", "b.jpeg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "wrong.jpg"}
    assert (out / "images/a.jpg").read_bytes() == FILES["a.jpg"]
    assert read(out).load("c").provenance == SAID
    out = write(data, tmp_path / "png", format="yolo", classes=data.classes, image_format="png")
    assert {file.suffix for file in (out / "images").iterdir()} == {".png"}
    assert (out / "images/c.png").read_bytes() == FILES["c.png"]
    assert all(difference(read(out).load(name), read(out).undecoded(name)) is None for name in data.names)
    assert np.array_equal(read(out).load("a").image, data.load("a").image)


def _tagged(tag: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = tag
    return exif


def _late(content: bytes) -> bytes:
    """A PNG with its chunk of EXIF behind the pixels."""
    start = content.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4])
    return content[:start] + content[stop:-12] + content[start:stop] + content[-12:]


CHANGED = {
    "rgba.png": encoded("PNG", mode="RGBA"),
    "palette.png": encoded("PNG", mode="P"),
    "transparent.png": encoded("PNG", transparency=(1, 2, 3)),
    "bits.png": encoded("PNG", mode="1"),
    "cmyk.jpg": encoded("JPEG", mode="CMYK"),
    "turned.jpg": encoded("JPEG", exif=_tagged(3)),
    "turned.png": encoded("PNG", exif=_tagged(3)),
    "late.png": _late(encoded("PNG", exif=_tagged(3))),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_others_would_read_otherwise_becomes_png(name: str, tmp_path: Path) -> None:
    data = read(coco(tmp_path / "data", {name: CHANGED[name]}))
    stem = Path(name).stem
    out = write(data, tmp_path / "out", format="yolo", classes=data.classes)
    assert (out / f"images/{stem}.png").read_bytes() != CHANGED[name]
    again = read(out)
    assert np.array_equal(again.load(stem).image, data.load(stem).image)
    assert isinstance(again.undecoded(stem), UndecodedImage)


def test_bytes_behind_a_jpeg_do_not_keep_it_from_being_copied(tmp_path: Path) -> None:
    data = read(coco(tmp_path / "data", {"a.jpg": FILES["a.jpg"] + bytes(9)}))
    assert content_of(data.undecoded("a")) == FILES["a.jpg"] + bytes(9)


def _flipped(content: bytes) -> bytes:
    middle = content.index(b"IDAT") + 60
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.jpg", lambda content: content[: len(content) // 2]),
        ("a.jpg", lambda content: content[:-300]),
        ("c.png", lambda content: content[:-20]),
        ("c.png", _flipped),
        ("e.tif", lambda content: content[:-20]),
        ("f.webp", lambda content: content[:-20]),
        ("a.jpg", lambda content: b"GIF89a"),
    ],
)
def test_damaged_files_are_not_copied(name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = read(coco(tmp_path / "data", {name: damage(FILES[name])}))
    with pytest.raises(InputError, match=rf"{name}: .*(damaged|cut short)"):
        write(data, tmp_path / "out", format="yolo", classes=data.classes)
    assert not (tmp_path / "out").exists()


def test_files_of_another_size_than_their_label_are_not_copied(tmp_path: Path) -> None:
    data = read(coco(tmp_path / "data", {"a.jpg": encoded("JPEG", PIXELS[:20])}))
    with pytest.raises(InputError, match=r"is 20x32 pixels .* says 24x32"):
        write(data, tmp_path / "out", format="coco", classes=data.classes)


@pytest.mark.parametrize("format", ["yolo", "coco", "cvat", "labelme"])
def test_objects_are_converted_without_a_pixel(
    format: str, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: object) -> None:
        raise AssertionError("decoded, or painted")

    monkeypatch.setattr(painting, "paint", never)
    monkeypatch.setattr(image_files, "_stored", never)
    assert len(read(write(data, tmp_path / "out", format=format, classes=data.classes))) == len(FILES)
    together = merge([data])
    write(together, tmp_path / "merged", format=format, classes=together.classes)


def test_pairs_of_merged_sets_are_undecoded_as_they_are_loaded(data: DataSet, tmp_path: Path) -> None:
    other = read(write(data, tmp_path / "other", format="folder", classes=data.classes))
    together = merge([data, other])
    assert len(together) == 2 * len(data)
    assert all(difference(together.undecoded(one), together.load(one)) is None for one in together.names)


def test_a_painted_layout_is_what_painting_makes(data: DataSet) -> None:
    layout = data.undecoded("a").layout
    assert isinstance(layout, PaintedLayout) and layout.size == (24, 32)
    drawn = data.load("a").layout
    assert np.array_equal(layout.label_map, drawn.label_map)
    assert np.array_equal(layout.instances, drawn.instances) and layout.objects == drawn.objects

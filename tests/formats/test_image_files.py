"""Pixels and ids come out of files as they stand in them, or one line says why not."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from labelmint.errors import InputError
from labelmint.formats.image_files import (
    image_size,
    read_ids,
    read_image,
    read_image_and_text,
    read_labelled,
    write_png,
)
from labelmint.formats.orientation import turned

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (7, 5), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)
IDS = RNG.integers(0, 3, (7, 5), dtype=np.uint8)


def png(path: Path, width: int, height: int, depth: int, kind: int, rows: bytes = b"") -> Path:
    """A PNG by hand: of any header, with these filtered rows."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "rgb"])
def test_pixels_are_exact(pixels: np.ndarray, suffix: str, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    read = read_image(tmp_path / f"a.{suffix}")
    assert np.array_equal(read, pixels.reshape(7, 5, -1)) and read.dtype == np.uint8
    assert image_size(tmp_path / f"a.{suffix}") == (7, 5)


def test_webp_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.jpg", format="WEBP", lossless=True)
    assert np.array_equal(read_image(tmp_path / "a.jpg"), COLOR)
    first, second = Image.fromarray(COLOR), Image.fromarray(COLOR[::-1])
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    with pytest.raises(InputError, match="several pages"):
        read_image(tmp_path / "a.webp")


@pytest.mark.parametrize("kind", [6, 1], ids=["signed", "unsigned"])
def test_signed_tiffs_keep_their_order(kind: int, tmp_path: Path) -> None:
    """From -128, the darkest, to 127."""
    bits = GREY - np.uint8(128) if kind == 6 else GREY
    Image.fromarray(bits).save(tmp_path / "a.tif", tiffinfo={339: 2 if kind == 6 else 1})
    assert np.array_equal(read_image(tmp_path / "a.tif")[:, :, 0], GREY)


@pytest.mark.parametrize("tag", range(1, 9))
def test_turns_are_those_of_the_standard(tag: int) -> None:
    picture = Image.fromarray(COLOR)
    picture.getexif()[274] = tag
    shown = np.array(ImageOps.exif_transpose(picture))
    assert np.array_equal(turned(COLOR, tag), shown)
    assert np.array_equal(turned(shown, tag, back=True), COLOR)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("tag", [3, 6, 8, 2])
def test_tags_of_every_file_are_seen(tag: int, suffix: str, tmp_path: Path) -> None:
    exif, file = Image.Exif(), tmp_path / f"a.{suffix}"
    exif[274] = tag
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(COLOR).save(file, exif=exif, **options)
    shown = turned(COLOR, tag)
    assert np.array_equal(read_image(file), COLOR)
    assert np.array_equal(read_labelled(file, (shown.shape[0], shown.shape[1])).pixels, shown)
    assert image_size(file) == shown.shape[:2] and image_size(file, "stored") == (7, 5)


def test_a_damaged_tag_spoils_no_pixel(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for count, content in enumerate((b"Exif\0\0MM\0*\xff\xff\xff\xff", exif.tobytes()[:-7], b"Exif\0\0")):
        file = tmp_path / f"{count}.png"
        Image.fromarray(COLOR).save(file, exif=content)
        assert np.array_equal(read_labelled(file, (7, 5)).pixels, COLOR)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("LA", 1), ("P", 3), ("RGBA", 3), ("CMYK", 3), ("L", 1)],
    ids=lambda value: str(value),
)
def test_other_modes_become_grey_or_rgb(mode: str, channels: int, tmp_path: Path) -> None:
    picture = Image.fromarray(COLOR).convert(mode)
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(file)
    expected = np.array(picture.convert("L" if channels == 1 else "RGB")).reshape(7, 5, channels)
    assert np.array_equal(read_image(file), expected)


def test_labels_of_every_kind_hold_ids(tmp_path: Path) -> None:
    palette = Image.fromarray(IDS).convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    cases = {"L": (Image.fromarray(IDS), IDS), "P": (palette, IDS), "1": (Image.fromarray(IDS > 0), IDS > 0)}
    cases["16"] = (Image.fromarray(IDS.astype(np.uint16) * 300), IDS.astype(np.uint16) * 300)
    for name, (picture, expected) in cases.items():
        picture.save(tmp_path / f"{name}.png")
        ids = read_ids(tmp_path / f"{name}.png")
        assert np.array_equal(ids, expected), name
        assert ids.dtype == (np.uint16 if name == "16" else np.uint8)


@pytest.mark.parametrize(("depth", "row"), [(2, 0b00_01_10_11), (4, 0x1F)])
def test_grey_labels_of_few_bits_are_not_stretched(depth: int, row: int, tmp_path: Path) -> None:
    file = png(tmp_path / "a.png", 8 // depth, 1, depth, 0, bytes([0, row]))
    assert read_ids(file).tolist() == [[0, 1, 2, 3] if depth == 2 else [1, 15]]


def test_colors_become_ids(tmp_path: Path) -> None:
    colors = {(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): 300}
    Image.fromarray(np.array(list(colors), dtype=np.uint8)[IDS]).save(tmp_path / "a.png")
    ids = read_ids(tmp_path / "a.png", colors=colors)
    assert np.array_equal(ids, np.array([0, 1, 300])[IDS]) and ids.dtype == np.uint16
    with pytest.raises(InputError, match=rf"\[0, 0, 255\] \({(IDS == 2).sum()} pixels\)"):
        read_ids(tmp_path / "a.png", colors={(0, 0, 0): 0, (255, 0, 0): 1})
    with pytest.raises(InputError, match=r"colored \(RGB\).*classes.json"):
        read_ids(tmp_path / "a.png")


def test_text_is_kept_and_bytes_repeat(tmp_path: Path) -> None:
    text = {"generator": "labelmint", "seed": "7", "note": "größer → kleiner\n2"}
    write_png(tmp_path / "a.png", COLOR, text)
    write_png(tmp_path / "b.png", COLOR, dict(reversed(text.items())))
    image, read = read_image_and_text(tmp_path / "a.png")
    assert np.array_equal(image, COLOR) and read == text
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "b.png"}
    for array, key in ((GREY.astype(np.float32), "a"), (GREY, ""), (GREY, "k" * 80)):
        with pytest.raises(InputError):
            write_png(tmp_path / "c.png", array, {key: "x"})


def cut(path: Path, suffix: str, keep: float) -> Path:
    file = path / f"a.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    return file


def text_file(path: Path) -> Path:
    (path / "a.png").write_text("no image at all")
    return path / "a.png"


def two_pages(path: Path) -> Path:
    Image.fromarray(GREY).save(path / "a.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    return path / "a.tif"


def saved(array: np.ndarray, name: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        Image.fromarray(array).save(path / name)
        return path / name

    return make


BAD = {
    "missing": (lambda path: path / "a.png", "no such file"),
    "cut PNG": (lambda path: cut(path, "png", 0.5), "cut short"),
    "cut PNG header": (lambda path: cut(path, "png", 0.001), "cut short"),
    "cut JPEG": (lambda path: cut(path, "jpg", 0.5), "cut short"),
    "cut TIFF": (lambda path: cut(path, "tif", 0.5), "cut short"),
    "cut BMP": (lambda path: cut(path, "bmp", 0.5), "cut short"),
    "text": (text_file, "not a readable PNG, JPEG, TIFF, BMP or WEBP file"),
    "empty": (lambda path: cut(path, "png", 0), "not a readable"),
    "bomb": (lambda path: png(path / "a.png", 50_000, 50_000, 8, 0), "more than the 178956970"),
    "large": (
        lambda path: png(path / "a.png", 14_000, 13_000, 8, 0),
        "182000000 pixels, more than the 178956970",
    ),
    "16-bit grey": (saved(GREY.astype(np.uint16), "a.png"), "expected 8 bits"),
    "16-bit RGB": (lambda path: png(path / "a.png", 1, 1, 16, 2, bytes(7)), "16 bits a channel"),
    "float": (saved(GREY.astype(np.float32), "a.tif"), "expected 8 bits"),
    "pages": (two_pages, "several pages"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_get_one_line(case: str, tmp_path: Path) -> None:
    make, words = BAD[case]
    with pytest.raises(InputError, match=words) as caught:
        read_image(make(tmp_path))
    assert "\n" not in str(caught.value) and "a." in str(caught.value)


def test_the_limit_of_pixels_can_be_lower(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="7x5 pixels, more than the 34"):
        read_image(tmp_path / "a.png", max_pixels=34)


def test_a_jpeg_is_no_label(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(InputError, match="not a readable PNG"):
        read_ids(tmp_path / "a.png")


def test_warnings_are_as_before_however_many_threads_read_at_once(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: read_image(tmp_path / "a.png"), range(200)))
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_a_link_to_itself_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    for read in (read_image, read_ids, image_size):
        with pytest.raises(InputError, match="is no file that can be read"):
            read(tmp_path / "a.png")


IDS = np.tile(np.array([0, 1, 2], np.uint8), (4, 2))
COLORED = np.array([(9, 9, 9), (200, 0, 0), (0, 0, 200)], np.uint8)[IDS]
MEANING = {(9, 9, 9): 0, (200, 0, 0): 1, (0, 0, 200): 2}


@pytest.mark.parametrize("kind", ["LA", "RGBA", "colors"])
def test_transparent_labels_are_refused(kind: str, tmp_path: Path) -> None:
    """What lies under transparency may mean nothing."""
    channels = [IDS] if kind == "LA" else [IDS] * 3 if kind == "RGBA" else list(np.moveaxis(COLORED, -1, 0))
    colors = MEANING if kind == "colors" else None
    for alpha in (
        np.full_like(IDS, 255),
        np.where(IDS == 0, 0, 255),
        np.where(np.arange(6) < 3, 0, IDS * 9 + 237),
    ):
        Image.fromarray(np.dstack([*channels, alpha.astype(np.uint8)])).save(tmp_path / "a.png")
        if alpha.min() == 255 or (kind == "colors" and alpha[0, 1] == 255):  # a ground that is transparent
            assert np.array_equal(read_ids(tmp_path / "a.png", colors=colors), IDS)
            continue
        with pytest.raises(InputError, match="transparent in part"):
            read_ids(tmp_path / "a.png", colors=colors)
    Image.fromarray(np.dstack([*channels, np.zeros_like(IDS)])[:, ::3]).save(tmp_path / "a.png")
    if kind == "colors":  # nothing but ground
        assert not read_ids(tmp_path / "a.png", colors=colors).any()

"""Pairs whose images are decoded when their pixels are first asked for: those of files that may be copied as they are.

An image file may be copied where every other program reads the pixels from it that are read here: grey or RGB of 8
bits, of one page, without transparency, a palette, or an orientation tag that turns it. That it is whole is checked:
a PNG by the sums of its chunks, a JPEG by its last two bytes, any other, and a JPEG with more behind them, by decoding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from labelmint.formats.format import ImageFormat
from labelmint.formats.image_files import read_image_and_text
from labelmint.formats.opened import (
    IMAGES,
    MAX_PIXELS,
    Inside,
    bit_depth,
    is_signed,
    opened,
    orientation_tag,
    place_of,
)
from labelmint.types import AnnotatedImage, Array, Layout

__all__ = ["UndecodedImage", "undecoded"]

Size = tuple[int, int]
_ENDINGS: dict[str, tuple[str, ...]] = {  # the usual one of each format first
    "PNG": ("png",),
    "JPEG": ("jpg", "jpeg"),
    "MPO": ("jpg", "jpeg"),  # a JPEG with further pictures behind it, of which all programs show the first
    "TIFF": ("tiff", "tif"),
    "WEBP": ("webp",),
    "BMP": ("bmp",),
}
_NAMES: dict[str, ImageFormat] = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "TIFF": "tiff", "WEBP": "webp"}
_END_OF_JPEG = b"\xff\xd9"


class _Header(NamedTuple):
    """Shape (H, W, C) and format, in Pillow's words, of a file that may be copied."""

    shape: tuple[int, int, int]
    format: str


class UndecodedImage(AnnotatedImage):
    """An annotated image that is decoded when its pixels or its provenance are first asked for.

    Arguments:
        name: of the pair. layout: of the image's height and width.
        file: of the image; it may be copied.
        header: what was found in the file.
    """

    def __init__(self, *, name: str, layout: Layout, file: Path | Inside, header: _Header) -> None:
        vars(self).update(name=name, layout=layout, file=file, _header=header)

    file: Path | Inside
    _header: _Header

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return self._header.shape[2]

    @property
    def image_format(self) -> ImageFormat | None:
        """The format of the file; None for one that is read and not written."""
        return _NAMES.get(self._header.format)

    @cached_property
    def ending(self) -> str:
        """The ending of the file's name, in small letters, or the usual one of its format where it has another."""
        own = self.file.name.rpartition(".")[2].lower()
        usual = _ENDINGS[self._header.format]
        return own if own in usual else usual[0]

    @cached_property
    def _read(self) -> tuple[Array, dict[str, str]]:
        return read_image_and_text(self.file)

    @property
    def image(self) -> Array:
        """(H, W, C) uint8."""
        return self._read[0]

    @property
    def provenance(self) -> dict[str, str]:
        """The text that the file carries."""
        return self._read[1]

    def with_layout(self, layout: Layout, name: str | None = None) -> UndecodedImage:
        """Return the image, not decoded, with another layout, and another name where one is given."""
        return UndecodedImage(name=name or self.name, layout=layout, file=self.file, header=self._header)


def undecoded(name: str, file: Path | Inside, layout_of: Callable[[Size], Layout]) -> UndecodedImage | None:
    """A pair that is not decoded; None where its file may not be copied, or its layout has another size.

    Arguments:
        file: of the image. layout_of: makes the layout of an image of a size (H, W).

    Raises InputError for a file that is damaged, cut short, or no image.
    """
    header = _header_of(file)
    if header is None:
        return None
    layout = layout_of(header.shape[:2])
    if layout.size != header.shape[:2]:
        return None
    return UndecodedImage(name=name, layout=layout, file=file, header=header)


def _header_of(file: Path | Inside) -> _Header | None:
    """What a file says of itself; None for one that may not be copied."""
    with opened(place_of(file), IMAGES, MAX_PIXELS) as (picture, stream):
        assert picture.format is not None
        several = picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1
        plain = picture.mode in ("L", "RGB") and not picture.has_transparency_data and not is_signed(picture)
        if several or not plain or bit_depth(picture, stream) > 8 or orientation_tag(picture, stream) != 1:
            return None
        found = _Header((picture.height, picture.width, len(picture.getbands())), picture.format)
        _check_whole(picture, stream)
        return found


def _check_whole(picture: Image.Image, stream: BinaryIO) -> None:
    """Raise an error of Pillow's for a picture that is cut short."""
    if picture.format == "PNG":
        picture.verify()
        return
    if picture.format in ("JPEG", "MPO"):
        before = stream.tell()
        stream.seek(-len(_END_OF_JPEG), os.SEEK_END)
        if stream.read() == _END_OF_JPEG:
            return
        stream.seek(before)
    picture.load()

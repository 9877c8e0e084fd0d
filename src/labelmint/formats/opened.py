"""Files of pictures, opened with their headers checked: whatever is wrong with one ends in one line."""

from __future__ import annotations

import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from labelmint.errors import InputError
from labelmint.formats.text_files import NO_FILE

__all__ = [
    "IMAGES",
    "LABELS",
    "MAX_PIXELS",
    "Held",
    "Inside",
    "Place",
    "bit_depth",
    "is_signed",
    "is_white_zero",
    "opened",
    "orientation_tag",
    "place_of",
]

MAX_PIXELS = 178_956_970  # twice Pillow's own warning level: 13,377 x 13,377
IMAGES = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
LABELS = ("PNG", "TIFF", "BMP", "GIF")

_TAG, _SAMPLE_FORMAT, _SIGNED, _PHOTOMETRIC = 274, 339, 2, 262  # of TIFF and EXIF
_SMALL = 1 << 15  # bytes of a file
_SAY_TAGS = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"})  # of Pillow's info
_LATE = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})  # chunks of PNG that say them
_DAMAGES = (
    AssertionError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Inside:
    """A picture that lies inside another file.

    Arguments:
        name: what it is called in messages.
        content: its bytes; raises InputError where they are not to be had.
    """

    name: str
    content: Callable[[], bytes]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Held:
    """The bytes of a picture, opened like a file."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str) -> BinaryIO:
        return BytesIO(self.content)


Place = str | os.PathLike[str] | Inside


def place_of(path: Place) -> Path | Held:
    """What can be opened there."""
    if isinstance(path, Inside):
        return Held(path.name, path.content())
    return path if isinstance(path, Path) else Path(path)


def orientation_tag(picture: Image.Image, stream: BinaryIO) -> int:
    """The orientation tag of EXIF, 1 where there is none that means anything."""
    tells = picture.format == "TIFF" or bool(_SAY_TAGS & picture.info.keys())
    if not tells and (
        picture.format != "PNG" or not _tells_late(stream)
    ):  # Pillow would decode a PNG to find out
        return 1
    try:
        tag = picture.getexif().get(_TAG, 1)
    except _DAMAGES:  # a damaged EXIF block spoils no pixel
        return 1
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else 1


def _tells_late(stream: BinaryIO) -> bool:
    """Return True where a PNG has EXIF or text behind its pixels."""
    place, kind, kinds = stream.tell(), b"", set[bytes]()
    stream.seek(8)
    while kind != b"IEND" and len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        kinds |= {kind} if b"IDAT" in kinds or kind == b"IDAT" else set()
        stream.seek(length + 4, os.SEEK_CUR)  # and its sum
    stream.seek(place)
    return bool(kinds & _LATE)


def is_signed(picture: Image.Image) -> bool:
    """Return True where the channels of a TIFF hold numbers from -128 on."""
    formats = getattr(picture, "tag_v2", {}).get(_SAMPLE_FORMAT, (1,))
    return _SIGNED in (formats if isinstance(formats, tuple) else (formats,))


def is_white_zero(picture: Image.Image) -> bool:
    """Return True for grey of a TIFF whose 0 is white: Pillow turns it round, up to 8 bits."""
    return picture.format == "TIFF" and getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def bit_depth(picture: Image.Image, stream: BinaryIO) -> int:
    """Bits a channel as stored; Pillow itself cuts 16-bit RGB to 8 without a word."""
    if picture.format == "PNG":
        place = stream.tell()
        stream.seek(24)  # signature 8 bytes, the first chunk's length and type 8, width and height 8
        depth = stream.read(1)[0]
        stream.seek(place)
        return depth
    if picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(258, (8,))
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return 8


class _Quiet:
    """While any thread has a picture open nobody hears Pillow's warnings, of odd tags and of sizes, which are checked
    here. Python's own way is not for threads: the last to end would restore what another had silenced; and it makes
    every module forget what it has warned of, which takes longer than opening a picture.
    """

    def __init__(self) -> None:
        self._lock, self._open = threading.Lock(), 0
        self._before = warnings.filters

    def __enter__(self) -> None:
        with self._lock:
            if self._open == 0:
                self._before, warnings.filters = warnings.filters, [("ignore", None, Warning, None, 0)]
            self._open += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                warnings.filters = self._before


_QUIET = _Quiet()


@contextmanager
def opened(
    path: Path | Held, formats: tuple[str, ...], max_pixels: int
) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """An open picture with its file, its header checked; whatever goes wrong while it is used becomes InputError."""
    with _QUIET:
        try:
            with _stream(path) as stream, Image.open(stream, formats=formats) as picture:
                if picture.width * picture.height > max_pixels:
                    raise InputError(_too_large(path, f"{picture.height}x{picture.width} pixels", max_pixels))
                yield picture, stream
        except InputError:
            raise
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except Image.DecompressionBombError as error:
            count = re.search(r"\d+", str(error))
            raise InputError(
                _too_large(path, f"{count.group() if count else 'too many'} pixels", max_pixels)
            ) from None
        except UnidentifiedImageError:
            kinds = " or ".join([", ".join(formats[:-1]), formats[-1]]) if len(formats) > 1 else formats[0]
            raise InputError(
                f"{path}: not a readable {kinds} file: cut short, damaged, or of another kind; export it "
                f"again"
            ) from None
        except MemoryError:
            raise InputError(f"{path}: takes more memory than there is; cut it into smaller images") from None
        except _DAMAGES as error:
            if isinstance(error, OSError) and error.errno in NO_FILE:
                raise InputError(f"{path}: is no file that can be read ({error.strerror})") from None
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise InputError(
                f"{path}: the image is damaged or cut short ({error}); export it again"
            ) from None


def _stream(path: Path | Held) -> BinaryIO:
    """An open file; a small one is read at once, since headers are read in many small pieces."""
    if isinstance(path, Held):
        return BytesIO(path.content)
    file = path.open("rb", buffering=0)
    content = file.read(_SMALL)
    if len(content) < _SMALL:
        file.close()
        return BytesIO(content)
    file.seek(0)
    return BufferedReader(file)


def _too_large(path: Path | Held, size: str, max_pixels: int) -> str:
    return f"{path}: {size}, more than the {max_pixels} that are read; cut it into smaller images"

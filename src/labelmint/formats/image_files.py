"""Images and label PNGs as arrays: 8-bit pixels, class ids of 8 or 16 bits, text in PNGs.

Headers are checked before anything is decoded. Orientation tags (EXIF) are not followed: labels carry none,
so turning only the image would part them.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from labelmint.errors import InputError
from labelmint.formats.xmp import text_of
from labelmint.storage import write_aside
from labelmint.types import Array

__all__ = ["MAX_PIXELS", "image_size", "read_ids", "read_image", "read_image_and_text", "write_png"]

MAX_PIXELS = 178_956_970  # twice Pillow's own warning level: 13,377 x 13,377

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_IMAGE_MODES = {"L": "L", "1": "L", "LA": "L"} | dict.fromkeys(
    ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), "RGB"
)
_DAMAGES = (
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

Colors = Mapping[tuple[int, int, int], int]  # color -> class id


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """An image as (H, W, C) uint8: C = 1 for grey, 3 for anything colored (palettes are resolved, alpha is
    dropped).

    Raises InputError for files that are damaged, no image, larger than `max_pixels`, of several pages, or not
    8 bits deep.
    """
    return read_image_and_text(path, max_pixels=max_pixels)[0]


def read_image_and_text(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS
) -> tuple[Array, dict[str, str]]:
    """`read_image`, and the text that a PNG carries, or our own XMP (camera profiles are left out)."""
    with _opened(Path(path), _FORMATS, max_pixels) as picture:
        depth = _bit_depth(picture, Path(path))
        mode = _IMAGE_MODES.get(picture.mode)
        if mode is None or depth > 8:
            what = f"{depth} bits a channel" if depth > 8 else f"pixels of mode {picture.mode!r}"
            raise InputError(
                f"{path}: holds {what}, expected 8 bits; convert it first by scaling its values to 0..255"
            )
        if picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1:
            raise InputError(
                f"{path}: holds several pages, expected one; save each page as a file of its own"
            )
        array = np.array(picture.convert(mode), dtype=np.uint8)
        text = text_of(picture.info.get("xmp"))
        if isinstance(picture, PngImagePlugin.PngImageFile):
            text = dict(picture.text)
    kept = {
        str(key): str(value) for key, value in text.items() if not key.startswith(("XML:", "Raw profile"))
    }
    return (array[:, :, None] if array.ndim == 2 else array), kept


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(H, W) from the header alone."""
    with _opened(Path(path), _FORMATS, MAX_PIXELS) as picture:
        return picture.height, picture.width


def read_ids(
    path: str | os.PathLike[str], *, colors: Colors | None = None, max_pixels: int = MAX_PIXELS
) -> Array:
    """The ids in a label or instance PNG as (H, W), uint8 or (for 16-bit files) uint16.

    Grey files hold ids as they are, whatever their bit depth; palette files hold indices. RGB files need
    `colors`, every pixel one of them. Raises InputError as `read_image` does, and for colors without a
    meaning, with their counts.
    """
    with _opened(Path(path), ("PNG",), max_pixels) as picture:
        depth, mode = _bit_depth(picture, Path(path)), picture.mode
        if mode in ("RGB", "RGBA") and depth == 8:
            return _ids_of_colors(Path(path), np.array(picture.convert("RGB")), colors)
        if mode == "LA" and depth == 8:
            return np.array(picture.getchannel("L"))
        if mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise InputError(
                f"{path}: a label of {depth}-bit mode {mode!r}; expected class ids as a grey or palette PNG"
            )
        array = np.array(picture)
    if mode == "L" and depth in (2, 4):
        # Pillow stretches grey of few bits to 0..255, and ids must stay ids
        array = array // (255 // (2**depth - 1))
    return array.astype(np.uint16 if mode.startswith("I") else np.uint8)


def _ids_of_colors(path: Path, pixels: Array, colors: Colors | None) -> Array:
    if not colors:
        raise InputError(
            f'{path}: a colored (RGB) label; say what its colors mean in classes.json ("colors": {{"1": '
            f"[255, 0, 0]}}), "
            "or save class ids as a grey PNG"
        )
    codes = pixels.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    found, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    meaning = {(red << 16) | (green << 8) | blue: id_ for (red, green, blue), id_ in colors.items()}
    unknown = sorted(
        (-int(n), int(code)) for code, n in zip(found, counts, strict=True) if int(code) not in meaning
    )
    if unknown:
        shown = ", ".join(
            f"{[code >> 16, code >> 8 & 255, code & 255]} ({-n} pixels)" for n, code in unknown[:5]
        )
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"{path}: colors that classes.json does not list: {shown}{more}; list them, or save without "
            f"smoothing"
        )
    dtype = np.uint8 if max(meaning.values()) <= 255 else np.uint16
    return np.array([meaning[int(code)] for code in found], dtype=dtype)[place.reshape(codes.shape)]


def write_png(path: str | os.PathLike[str], array: Array, text: Mapping[str, str] | None = None) -> None:
    """Write a PNG, the same bytes for equal arguments, under a temporary name first.

    Arguments:
        path: the file.
        array: (H, W), (H, W, 1) or (H, W, 3) uint8, or (H, W) uint16.
        text: key -> value, stored as the PNG's text; keys have 1 to 79 Latin-1 characters.
    """
    target = Path(path)
    plain = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    color = plain.ndim == 3 and plain.shape[2] == 3 and plain.dtype == np.uint8
    if not color and (plain.ndim != 2 or plain.dtype not in (np.uint8, np.uint16)):
        raise InputError(
            f"{target}: a PNG holds grey of 8 or 16 bits or RGB of 8, got {array.dtype} {array.shape}"
        )
    info = PngImagePlugin.PngInfo()
    for key, value in sorted((text or {}).items()):
        if not 1 <= len(key) <= 79 or not key.isprintable() or any(ord(sign) > 255 for sign in key):
            raise InputError(
                f"{target}: {key!r} cannot be a key of a PNG's text: expected 1 to 79 Latin-1 characters"
            )
        info.add_text(key, value)
    with write_aside(target) as aside:
        Image.fromarray(np.ascontiguousarray(plain)).save(aside, format="PNG", compress_level=6, pnginfo=info)


def _bit_depth(picture: Image.Image, path: Path) -> int:
    """Bits a channel as stored; Pillow itself cuts 16-bit RGB to 8 without a word."""
    if picture.format == "PNG":
        with path.open("rb") as file:
            # signature 8 bytes, the first chunk's length and type 8, width and height 8
            return file.read(25)[24]
    if picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(258, (8,))
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return 8


@contextmanager
def _opened(path: Path, formats: tuple[str, ...], max_pixels: int) -> Iterator[Image.Image]:
    """An open picture, its header checked; whatever goes wrong while it is used becomes InputError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags and of sizes; sizes are checked here
        try:
            with Image.open(path, formats=formats) as picture:
                if picture.width * picture.height > max_pixels:
                    raise InputError(_too_large(path, f"{picture.height}x{picture.width} pixels", max_pixels))
                yield picture
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
        except _DAMAGES as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise InputError(
                f"{path}: the image is damaged or cut short ({error}); export it again"
            ) from None


def _too_large(path: Path, size: str, max_pixels: int) -> str:
    return f"{path}: {size}, more than the {max_pixels} that are read; cut it into smaller images"

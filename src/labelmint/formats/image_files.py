"""Images and label PNGs as arrays: 8-bit pixels, class ids of 8 or 16 bits, text in PNGs.

Headers are checked before anything is decoded. An image that carries an orientation tag is read as its pixels lie
(`read_image`), or as the size of its label wants it (`read_labelled`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from labelmint.errors import InputError
from labelmint.formats.format import Orientation
from labelmint.formats.label_colors import MEND, Colors, Palettes, ids_of_colors, ids_of_palette
from labelmint.formats.opened import (
    IMAGES,
    LABELS,
    MAX_PIXELS,
    Held,
    Place,
    bit_depth,
    is_signed,
    is_white_zero,
    opened,
    orientation_tag,
    place_of,
)
from labelmint.formats.orientation import oriented, shown_size, tag_words, turned
from labelmint.formats.xmp import text_of
from labelmint.storage import write_aside
from labelmint.types import HIDDEN_COLORS, TURNED, Array

__all__ = [
    "Read",
    "image_size",
    "read_ids",
    "read_image",
    "read_image_and_text",
    "read_labelled",
    "write_png",
]

_IMAGE_MODES = {"L": "L", "1": "L", "LA": "L"} | dict.fromkeys(
    ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), "RGB"
)
_AT_ONCE = 1 << 16  # bytes that are unpacked at once, which stay in the processor's cache
_LOSSY = ("jpeg", "tiff_jpeg", "webp")  # of TIFF


class Read(NamedTuple):
    """An image as its label wants it.

    Arguments:
        pixels: (H, W, C) uint8. text: that a PNG carries.
        notes: the kinds of what a person should know of it (`types.NOTES`).
        tag: what an orientation tag makes of it, in words; empty without one.
    """

    pixels: Array
    text: dict[str, str]
    notes: tuple[str, ...] = ()
    tag: str = ""


class _Stored(NamedTuple):
    """Pixels (H, W, C) as they lie, text, the orientation tag, and whether some of them are transparent."""

    pixels: Array
    text: dict[str, str]
    tag: int
    transparent: bool


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """An image as (H, W, C) uint8: C = 1 for grey, 3 for anything colored (palettes are resolved, alpha is
    dropped), as its pixels lie.

    Raises InputError for files that are damaged, no image, larger than `max_pixels`, of several pages, or not
    8 bits deep.
    """
    return _stored(place_of(path), max_pixels).pixels


def read_image_and_text(path: Place, *, max_pixels: int = MAX_PIXELS) -> tuple[Array, dict[str, str]]:
    """`read_image`, and the text that a PNG carries, or our own XMP (camera profiles are left out)."""
    read = _stored(place_of(path), max_pixels)
    return read.pixels, read.text


def read_labelled(path: Place, size: tuple[int, int] | None, orientation: Orientation = "auto") -> Read:
    """The image of a label of `size` (H, W), None for one that states no size: turned by its orientation tag, or as its
    pixels lie.

    The label's size decides where only one of the two fits; where both do, the image is taken turned and noted.
    Raises InputError as `read_image` does; sizes that do not fit at all are left to the caller to tell.
    """
    stored = _stored(place_of(path), MAX_PIXELS)
    pixels, both = oriented(stored.pixels, stored.tag, size, orientation)
    notes = (*([TURNED] if both else []), *([HIDDEN_COLORS] if stored.transparent else []))
    words = tag_words((stored.pixels.shape[0], stored.pixels.shape[1]), stored.tag)
    return Read(np.ascontiguousarray(pixels), stored.text, notes, words)


def _stored(path: Path | Held, max_pixels: int) -> _Stored:
    with opened(path, IMAGES, max_pixels) as (picture, stream):
        depth, mode = bit_depth(picture, stream), _IMAGE_MODES.get(picture.mode)
        if mode is None or depth > 8:
            what = f"{depth} bits a channel" if depth > 8 else f"pixels of mode {picture.mode!r}"
            raise InputError(
                f"{path}: holds {what}, expected 8 bits; convert it first by scaling its values to 0..255"
            )
        if picture.format in ("TIFF", "WEBP") and getattr(picture, "n_frames", 1) > 1:
            raise InputError(
                f"{path}: holds several pages, expected one; save each page as a file of its own"
            )
        tag, signed = orientation_tag(picture, stream), is_signed(picture)
        picture.load()
        array = _array(picture if picture.mode == mode else picture.convert(mode))
        if signed:
            array ^= 0x80  # -128..127 as 0..255, in their order
        if picture.format == "TIFF" and orientation_tag(picture, stream) != tag:  # Pillow has turned it
            array = turned(array, tag, back=True)
        text = text_of(picture.info.get("xmp"))
        if isinstance(picture, PngImagePlugin.PngImageFile):
            text = dict(picture.text)
        transparent = _transparent(picture)
    kept = {
        str(key): str(value) for key, value in text.items() if not key.startswith(("XML:", "Raw profile"))
    }
    return _Stored(array[:, :, None] if array.ndim == 2 else array, kept, tag, transparent)


def _array(picture: Image.Image) -> Array:
    """The bytes of a picture of 8 bits, (H, W) or (H, W, C).

    They are unpacked a few rows at a time, straight to their place: `Image.tobytes`, which numpy's own way takes, joins
    them first, and each copy of a whole image costs a tenth of decoding it.
    """
    picture.load()
    bands, size = len(picture.getbands()), (picture.height, picture.width)
    array = np.empty(size if bands == 1 else (*size, bands), np.uint8)
    there, first, state = array.data.cast("B"), 0, 0
    packer = Image._getencoder(picture.mode, "raw", picture.mode)
    packer.setimage(picture.im, (0, 0, *picture.size))
    while state == 0:
        _, state, some = packer.encode(max(_AT_ONCE, 4 * picture.width))
        there[first : first + len(some)] = some
        first += len(some)
    packer.cleanup()
    if state < 0 or first < array.nbytes:
        raise OSError(f"its pixels cannot be unpacked ({state})")
    return array


def _transparent(picture: Image.Image) -> bool:
    """Return True where any pixel is not opaque."""
    if not picture.has_transparency_data:
        return False
    opaque = picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")
    lowest, _ = opaque.getchannel("A").getextrema()
    return isinstance(lowest, int | float) and lowest < 255


def image_size(
    path: Place, orientation: Orientation = "auto", *, stated: tuple[int, int] | None = None
) -> tuple[int, int]:
    """(H, W) from the header alone, as `read_labelled` takes the image: as viewers show it, or as its pixels lie where
    `orientation` is "stored", or where it is "auto" and that is the size that the label has `stated`.
    """
    with opened(place_of(path), IMAGES, MAX_PIXELS) as (picture, stream):
        given, tag = (picture.height, picture.width), orientation_tag(picture, stream)
        other = shown_size(given, tag)
        # Pillow gives the size of a TIFF as it is shown
        stored, shown = (other, given) if picture.format == "TIFF" else (given, other)
        return stored if orientation == "stored" or (orientation == "auto" and stated == stored) else shown


def read_ids(
    path: Place,
    *,
    colors: Colors | None = None,
    palettes: Palettes | None = None,
    mend: str = MEND,
    max_pixels: int = MAX_PIXELS,
) -> Array:
    """The ids in a label or instance file as (H, W), uint8 or (for 16-bit files) uint16. PNG is read, and TIFF, BMP and
    GIF where nothing was lost.

    Grey files hold ids as they are, whatever their bit depth; a TIFF of one bit whose 0 is white is refused. RGB files
    are translated through `colors`, every pixel one of them; without, their channels must be equal and hold the ids.
    Palette files hold indices, unless the colors that they use are all of `colors`; with `palettes` they are refused
    where palettes leave doubt. A GIF has nothing but a palette, numbered as its writer likes: greys in it are ids as
    they are. Raises InputError as `read_image` does, for colors without a meaning, with their counts (`mend` is how to
    say what they mean), and for transparent pixels, unless they have one color of `colors` that no opaque pixel has.
    """
    place = place_of(path)
    with opened(place, LABELS, max_pixels) as (picture, stream):
        depth, mode = bit_depth(picture, stream), picture.mode
        _refuse_unfit(place, picture)
        if mode in ("LA", "RGBA") and depth == 8:
            _refuse_hidden(place, picture, bool(colors))
        if mode in ("RGB", "RGBA") and depth == 8:
            return ids_of_colors(place, np.array(picture.convert("RGB")), colors, mend)
        if mode == "LA" and depth == 8:
            return np.array(picture.getchannel("L"))
        if mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise InputError(
                f"{path}: a label of {depth}-bit mode {mode!r}; expected class ids as a grey or palette PNG"
            )
        array = _array(picture) if mode in ("L", "P") else np.array(picture)
        palette = (picture.getpalette("RGB") or []) if mode == "P" else []
        signed, turned_round = is_signed(picture), mode == "L" and is_white_zero(picture)
        grey = picture.format == "GIF" and not colors and _is_grey(array, palette)
    if grey:
        return np.asarray(np.array(palette[::3], dtype=np.uint8)[array])
    if mode == "P":
        return ids_of_palette(place, array, palette, colors, palettes, mend)
    if turned_round:
        array = 255 - array
    if mode == "L" and depth in (2, 4):
        # Pillow stretches grey of few bits to 0..255, and ids must stay ids
        array = array // (255 // (2**depth - 1))
    if signed and mode == "L":
        array = array.view(np.int8)
    if array.dtype != np.uint8 and array.size and not 0 <= int(array.min()) <= int(array.max()) <= 65535:
        raise InputError(f"{path}: its ids lie in {array.min()}..{array.max()}; expected 0..65535")
    return array.astype(np.uint16 if mode.startswith("I") else np.uint8, copy=False)


def _refuse_unfit(place: Path | Held, picture: Image.Image) -> None:
    """Raise InputError for labels of several pages, and those that were compressed with a loss or may be inverted."""
    if picture.format in ("TIFF", "GIF") and getattr(picture, "n_frames", 1) > 1:
        raise InputError(f"{place}: holds several pages, expected one; save each page as a file of its own")
    if picture.format == "TIFF" and picture.info.get("compression") in _LOSSY:
        raise InputError(f"{place}: is compressed as JPEG, which changes class ids; save labels without loss")
    if picture.mode == "1" and is_white_zero(picture):  # fax means what is shown, others the bits
        raise InputError(
            f"{place}: holds one bit a pixel, of which 0 is white, so either may be the class id 1; save class ids "
            f"as a grey PNG"
        )


def _refuse_hidden(place: Path | Held, picture: Image.Image, colored: bool) -> None:
    """Raise InputError for a label that is transparent in part: hidden ids or colors may mean nothing. Where colors
    mean classes, a ground that is transparent has a color of its own.
    """
    if not _transparent(picture):
        return
    pixels = np.array(picture)
    opaque, shades = pixels[..., -1] == 255, pixels[..., :-1]
    hidden = shades[~opaque][0]
    if not colored or (shades[~opaque] != hidden).any() or (shades[opaque] == hidden).all(-1).any():
        raise InputError(
            f"{place}: a label that is transparent in part, and what that hides may mean no class; save it without "
            f"transparency (an alpha channel)"
        )


def _is_grey(indices: Array, palette: list[int]) -> bool:
    """Are all colors greys that the indices of a palette stand for?"""
    colors = np.array(palette).reshape(-1, 3)[np.unique(indices)] if palette else np.zeros((0, 3))
    return bool(len(colors) and (colors == colors[:, :1]).all())


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

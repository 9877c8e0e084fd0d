"""Images of a data set that is written: PNG, JPEG, WebP or TIFF, copied where they lie in a file that may be copied.

Provenance is text in a PNG, and XMP in the others.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats.format import Writing
from labelmint.formats.image_files import write_png
from labelmint.formats.opened import Inside
from labelmint.formats.undecoded import UndecodedImage
from labelmint.formats.xmp import MOST_BYTES, xmp_of
from labelmint.storage import write_aside
from labelmint.types import AnnotatedImage

__all__ = ["ending_of", "image_name", "is_copied", "only_png", "write_image"]

_XMP_TAG = 700  # of TIFF
_SAVED: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
        "webp": {"format": "WEBP", "lossless": True},
        "tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    }
)


def image_name(pair: AnnotatedImage, writing: Writing) -> str:
    """The name of the file of a pair's image."""
    return f"{pair.name}.{ending_of(pair, writing)}"


def ending_of(pair: AnnotatedImage, writing: Writing) -> str:
    """The ending of that name: a file that is copied keeps its own."""
    copied = _copied(pair, writing)
    return copied.ending if copied is not None else writing.image_format or "png"


def is_copied(pair: AnnotatedImage, writing: Writing) -> bool:
    """Return True where the file of a pair's image is copied, and nothing encoded."""
    return _copied(pair, writing) is not None


def only_png(writing: Writing) -> Writing:
    """How a format is written whose images are PNGs alone: files that are none are not copied."""
    return replace(writing, image_format="png")


def write_image(folder: Path, pair: AnnotatedImage, writing: Writing) -> None:
    """Write a pair's image into a folder that exists, under the name of the pair."""
    file = folder / image_name(pair, writing)
    copied = _copied(pair, writing)
    if copied is not None:
        _copy(copied.file, file)
    elif writing.image_format is None or writing.image_format == "png":
        write_png(file, pair.image, pair.provenance)
    else:
        plain = pair.image[:, :, 0] if pair.image.shape[2] == 1 else pair.image
        more = _SAVED[writing.image_format] | _described(file, pair, writing)
        with write_aside(file) as aside:
            Image.fromarray(np.ascontiguousarray(plain)).save(aside, **more)


def _copied(pair: AnnotatedImage, writing: Writing) -> UndecodedImage | None:
    """The pair where its file is copied."""
    if isinstance(pair, UndecodedImage) and writing.image_format in (None, pair.image_format):
        return pair
    return None


def _copy(source: Path | Inside, target: Path) -> None:
    """Copy a file; the folder is no data set before it is whole, so none is written aside."""
    if isinstance(source, Inside):
        target.write_bytes(source.content())
    else:
        with source.open("rb") as one, target.open("wb") as other:
            shutil.copyfileobj(one, other)


def _described(file: Path, pair: AnnotatedImage, writing: Writing) -> dict[str, Any]:
    """The option of Pillow that stores a pair's provenance; raises InputError for more than a file has room for."""
    packet = xmp_of(pair.provenance)
    if len(packet) > MOST_BYTES:
        raise InputError(
            f"{file}: {len(packet)} bytes of provenance, more than the {MOST_BYTES} that fit; use PNG"
        )
    if not packet:
        return {}
    return {"tiffinfo": {_XMP_TAG: packet}} if writing.image_format == "tiff" else {"xmp": packet}

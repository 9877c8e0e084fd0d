"""Images of a data set that is written: PNG, JPEG, WebP or TIFF, copied where they lie encoded already."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from labelmint.formats.format import Writing
from labelmint.formats.image_files import write_png
from labelmint.storage import write_aside
from labelmint.types import AnnotatedImage

__all__ = ["write_image"]

_SAVED: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
        "webp": {"format": "WEBP", "lossless": True},
        "tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    }
)


def write_image(folder: Path, pair: AnnotatedImage, writing: Writing) -> None:
    """Write a pair's image into a folder that exists, under the name of the pair."""
    file = folder / f"{pair.name}.{writing.image_format}"
    encoded = writing.encoded(pair.name)
    if encoded is not None:
        with write_aside(file) as aside:
            shutil.copyfile(encoded, aside)
    elif writing.image_format == "png":
        write_png(file, pair.image, pair.provenance)
    else:
        plain = pair.image[:, :, 0] if pair.image.shape[2] == 1 else pair.image
        with write_aside(file) as aside:
            Image.fromarray(np.ascontiguousarray(plain)).save(aside, **_SAVED[writing.image_format])

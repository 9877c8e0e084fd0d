"""The style of a reference image: every sample is drawn with the code that the system's encoder finds of it.

z = mu(x),    x the reference image, fitted as training images were
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from labelmint.errors import InputError
from labelmint.formats.image_files import read_labelled
from labelmint.protocols import Styled

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Style", "style_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Style:
    """A code that all samples take.

    Attributes:
        name: of the file, without its folder. digest: SHA-256 of the file.
        code: (1, D).
    """

    name: str
    digest: str
    code: Tensor


def style_of(system: TrainedSystem, file: str | Path) -> Style:
    """The style of an image.

    Raises InputError where the system finds no style of an image, for a file that is no image of 8 bits, and for a
    color image where the system draws grey ones.
    """
    path, images = Path(file), system.images
    if not isinstance(images, Styled) or not images.finds_styles:
        raise InputError(
            f"--style-image {file}: {system.system} has no encoder that finds the style of an image here; train "
            f"bicyclegan, or spade or bachgan with --set generator.code=16"
        )
    pixels = read_labelled(path, None).pixels  # no label: turned as viewers show it
    image = system.as_trained.image(str(path), pixels)
    return Style(
        name=path.name.encode("utf-8", "replace").decode(),
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        code=images.style_of(image.to(system.device)),
    )

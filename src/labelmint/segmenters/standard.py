"""What real pairs reach before the judge, stored beside it: the standard that synthetic pairs are held to.

    threshold(q)  = the agreement that a share q of the real validation views fall below
    doubts[k]     = the probability that 1 % of the real validation pixels of class k fall below

The views are those that the judge was validated on, never the test part. Its weights were chosen on them (the
best of some looks), so that the standard is a little strict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from labelmint.types import Array

__all__ = ["DOUBTFUL", "RealData", "Standard", "digest_of_images"]

DOUBTFUL = 0.01  # share of real pixels of a class that are less probable than `doubts`


class RealData(BaseModel):
    """The real pairs that a judge learned from, so that they can be found again.

    Attributes:
        source, format: where they lie and how they are written; a source that is no path can't be opened
            again.
        training, validation: names.
        class_ids: ids of the classes, in the order of the judge's indices.
        image_channels: C of the images that the judge reads.
        digest: `digest_of_images` of the training images, then the validation images, at the scale of
            training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    format: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    class_ids: tuple[int, ...]
    image_channels: int
    digest: str


class Standard(BaseModel):
    """What the real validation pairs reach.

    Attributes:
        score: the formula of the scores (`agreement.SCORE`).
        scores: agreement of each real validation view, rising.
        doubts: (K,) probabilities of the labelled class below which a pixel is doubtful.
        data: the real pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: str
    scores: tuple[float, ...] = Field(min_length=1)
    doubts: tuple[float, ...]
    data: RealData

    def threshold(self, share: float) -> float:
        """The agreement that at most a share of the real views fall below; share in [0, 1)."""
        return self.scores[int(share * len(self.scores))]

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return self.model_dump(mode="json")


def digest_of_images(names: Iterable[str], images: Iterable[Array]) -> str:
    """SHA-256 of names and pixels."""
    digest = hashlib.sha256()
    for name, image in zip(names, images, strict=True):
        digest.update(f"{name} {image.shape}".encode("utf-8", "surrogateescape"))
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()

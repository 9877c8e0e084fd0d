"""What of a data set a system sees that learns from images alone: no label, or one class an image.

    every map has one class everywhere, and there are several classes    the class of each image is its label
    anything else                                                        labels are left unused

Images without labels are pairs of which no pixel has a class (`formats.images_alone.UNLABELLED`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from labelmint.datasets.watching import changed
from labelmint.errors import InputError
from labelmint.formats.images_alone import UNLABELLED, everywhere
from labelmint.types import AnnotatedImage, DataSet, Layout

__all__ = ["WholeImages", "one_class_each", "whole_images", "without_labels"]


class WholeImages(NamedTuple):
    """A data set as such a system sees it, and what became of its labels, in words; "" where there were none."""

    data: DataSet
    said: str


def whole_images(data: DataSet, classes: bool = True) -> WholeImages:
    """Keep the labels where they are one class an image, else leave them out. Maps are read until one has two classes.

    Arguments:
        classes: False leaves them out in any case.

    Raises InputError as reading the labels does.
    """
    if not data.classes.labelled:
        return WholeImages(data, "")
    if classes and one_class_each(data):
        count = len(data.classes)
        return WholeImages(
            data, f"{data.source}: each image has one of {count} classes, which is learned with it"
        )
    text = f"{data.source}: labels are left unused: what is where is not learned, nor drawn"
    return WholeImages(without_labels(data), text)


def one_class_each(data: DataSet) -> bool:
    """True if there are several classes and each image has one of them everywhere."""
    if len(data.classes) < 2:
        return False
    seen: set[int] = set()
    for name in data.names:
        try:
            label_map = data.layout(name).label_map
        except InputError:
            continue  # which is told when the pair is loaded
        first = int(label_map.flat[0])
        if first not in data.classes.ids or bool(np.any(label_map != first)):
            return False
        seen.add(first)
    return len(seen) > 1


def without_labels(data: DataSet) -> DataSet:
    """The images alone, under their names and in their parts."""
    return changed(
        data, lambda one: dataclasses.replace(one, classes=UNLABELLED, load=_Bare(one), extras=None)
    )


@dataclass(frozen=True)
class _Bare:
    """name -> AnnotatedImage without its label."""

    data: DataSet

    def __call__(self, name: str) -> AnnotatedImage:
        return _bare(self.data.load(name))

    def undecoded(self, name: str) -> AnnotatedImage:
        """The image, decoded when that is asked for."""
        return _bare(self.data.undecoded(name))

    @property
    def layout(self) -> Callable[[str], Layout]:
        """The layout alone, which is unknown everywhere."""
        return lambda name: everywhere(0, self.data.layout(name).size)


def _bare(pair: AnnotatedImage) -> AnnotatedImage:
    return pair.with_layout(everywhere(0, pair.layout.size))

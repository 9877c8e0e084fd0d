"""README.md beside a data set that is written: what lies there, its classes with counts, and what was not carried.

It holds no date and no path, so two writes of the same pairs are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from labelmint.formats.format import Format, Writing
from labelmint.formats.images_out import ending_of
from labelmint.formats.painting import PaintedLayout
from labelmint.types import AnnotatedImage, ClassSet, Finding, Layout
from labelmint.version import __version__

__all__ = ["Contents", "card", "in_a_cell"]

_COUNTED = {  # by whether any object was annotated
    True: "Objects are those that were annotated one by one, as boxes, outlines or masks; images are those that have "
    "one. What label maps and their instances show beside them is not counted.",
    False: "Images are those whose label map has a pixel of the class. No objects were annotated one by one, as boxes, "
    "outlines or masks; the instances of label maps are not counted.",
}

P = TypeVar("P")


class Contents:
    """Counts of the pairs that pass: endings and sizes of images, and images and annotated objects of each class id."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self.pairs = 0
        self.endings: Counter[str] = Counter()
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.images: Counter[int] = Counter()
        self.objects: Counter[int] = Counter()

    def counted(self, pairs: Iterable[P]) -> Iterator[P]:
        """The pairs as they are, counted as they pass."""
        for pair in pairs:
            if isinstance(pair, AnnotatedImage):
                self._add(pair, pair.layout)
            yield pair

    def _add(self, pair: AnnotatedImage, layout: Layout) -> None:
        self.pairs += 1
        self.endings[ending_of(pair, self._writing)] += 1
        self.sizes[layout.size] += 1
        if layout.objects or isinstance(layout, PaintedLayout):
            ids = Counter(one.class_id for one in layout.objects)
            self.objects.update(ids)
            self.images.update(ids.keys())
        else:
            self.images.update(np.flatnonzero(np.bincount(layout.label_map.ravel())).tolist())


def card(
    format: Format,
    classes: ClassSet,
    contents: Contents,
    parts: Mapping[str, str],
    lost: Sequence[Finding],
    numbers: Mapping[int, int] = MappingProxyType({}),
) -> str:
    """The text of README.md.

    Arguments:
        format: of the files. classes: of the labels. contents: counts of all pairs.
        parts: the part of each name that is in one. lost: what the format did not carry.
        numbers: of class ids and ids to ignore in the files, where they have others there.
    """
    lines = [
        f"# {contents.pairs:,} images with labels",
        "",
        f"- Format: {format.name} ({format.title})",
        f"- Images: {' and '.join(sorted(contents.endings))}, {_sizes(contents)} pixels (height x width)",
        *([f"- Parts: {_parts(parts)}"] if parts else []),
        f"- Written by labelmint {__version__}; `croissant.json` describes the files",
        "",
        "## Classes",
        "",
        "| class | id | images | annotated objects |",
        "| --- | --: | --: | --: |",
        *_rows(classes, contents, numbers),
        "",
        _COUNTED[bool(contents.objects)],
    ]
    if classes.ignore:
        ignored = sorted({numbers.get(i, i) for i in classes.ignore})
        lines += ["", f"Ignored in labels: {', '.join(map(str, ignored))}."]
    if lost:
        lines += ["", "## Not carried over", "", *(f"- {finding.text}" for finding in lost)]
    return "\n".join(lines) + "\n"


def _sizes(contents: Contents) -> str:
    """The one size of all images, or the least and the greatest."""
    sizes = [f"{height}x{width}" for height, width in sorted(contents.sizes)]
    return sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes from {sizes[0]} to {sizes[-1]}"


def _parts(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{part} {count:,}" for part, count in Counter(parts.values()).items())


def _rows(classes: ClassSet, contents: Contents, numbers: Mapping[int, int]) -> list[str]:
    """One line a class; a background is no object, and is not counted where objects say what is there."""
    found = []
    for info in classes.classes:
        ground = info.id in classes.without_objects
        images = "" if ground and contents.objects else f"{contents.images[info.id]:,}"
        objects = "" if ground or not contents.objects else f"{contents.objects[info.id]:,}"
        found.append(f"| {in_a_cell(info.name)} | {numbers.get(info.id, info.id)} | {images} | {objects} |")
    return found


def in_a_cell(text: str) -> str:
    """Text for a cell of a table in Markdown: one line, in which a bar ends no cell."""
    return " ".join(text.replace("|", "\\|").split())

"""What a format does not carry of the pairs that are written in it: counted while they are written, said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import TypeVar

import numpy as np

from labelmint.formats.format import KEPT, LOST, Format
from labelmint.formats.painting import PaintedLayout, decode
from labelmint.types import AnnotatedImage, ClassSet, Finding, Layout, LayoutObject

__all__ = ["Losses"]

P = TypeVar("P")

_SAYS = {
    "maps": "label maps without objects",
    "boxes": "boxes",
    "overlaps": "objects that overlap others",
    "polygons": "outlines",
    "holes": "objects with holes",
    "parts": "objects of several parts",
    "instances": "instance maps",
    "attributes": "attributes of objects",
    "crowds": "crowds",
    "ignore": "images with pixels to ignore",
    "wide": "images with class ids above 255",
    "colors": "colors of classes",
    "empty": "images without objects",
}


class Losses:
    """Counts of what a format loses or approximates.

    Arguments:
        format: that is written. classes: of the pairs. report: is called with the number of pairs that passed.
    """

    def __init__(
        self, format: Format, classes: ClassSet, report: Callable[[int], None] = lambda done: None
    ) -> None:
        self._report = report
        self._format, self._classes = format, classes
        self._says = {
            name: how for name, how in format.carries.each().items() if how != KEPT and name in _SAYS
        }
        self._counts: Counter[str] = Counter()

    def counted(self, pairs: Iterable[P]) -> Iterator[P]:
        """The pairs as they are, counted as they pass."""
        for done, pair in enumerate(pairs, 1):
            self._report(done)
            if self._says and isinstance(pair, AnnotatedImage):
                self._counts.update({name: n for name, n in self._of(pair).items() if name in self._says})
            yield pair

    def findings(self) -> list[Finding]:
        """One finding a feature that some pair had."""
        if "colors" in self._says:
            self._counts["colors"] = sum(info.color is not None for info in self._classes.classes)
        found = []
        for name, count in self._counts.items():
            if count:
                lost = self._says[name] == LOST
                text = f"the format {self._format.name}: {count} {_SAYS[name]} are {self._says[name]}"
                found.append(Finding(kind=f"{name} {'lost' if lost else 'approximated'}", text=text))
        return found

    def _of(self, pair: AnnotatedImage) -> dict[str, int]:
        layout = pair.layout
        objects, painted = layout.objects, isinstance(layout, PaintedLayout)
        shaped = [one for one in objects if one.rle is not None or one.polygons is not None]
        found = {
            "maps": int(not objects and not painted and self._says_more(layout)),
            "boxes": len(objects) - len(shaped),
            "polygons": sum(one.polygons is not None for one in objects),
            "parts": sum(one.polygons is not None and len(one.polygons) > 1 for one in objects),
            "instances": int(not objects and not painted and layout.instances is not None),
            "attributes": sum(bool(one.attributes) for one in objects),
            "crowds": sum(one.crowd for one in objects),
            "wide": int(_highest(layout) > 255),
            "empty": int(not objects and not _holds(layout, self._with_objects)),
        }
        if "ignore" in self._says:
            found["ignore"] = int(_holds(layout, self._classes.ignore))
        if "overlaps" in self._says:
            found["overlaps"] = _overlapping(objects)
        if "holes" in self._says:
            found["holes"] = sum(_has_hole(one, layout.size) for one in shaped)
        return found

    def _says_more(self, layout: Layout) -> bool:
        """True if a map without instances holds anything but ground: a pair that is empty has lost nothing."""
        ground = -1 if self._classes.ground is None else self._classes.ground
        return layout.instances is None and bool((layout.label_map != ground).any())

    @cached_property
    def _with_objects(self) -> list[int]:
        return [i for i in self._classes.ids if i not in self._classes.without_objects]


def _highest(layout: Layout) -> int:
    """The highest id of a map, or of the objects that it would be painted from."""
    if isinstance(layout, PaintedLayout):
        return max([layout.ground, *(one.class_id for one in layout.objects)])
    return int(layout.label_map.max(initial=0))


def _holds(layout: Layout, ids: Collection[int]) -> bool:
    """Does a map hold one of some ids, or the objects and the ground that it would be painted from?"""
    if isinstance(layout, PaintedLayout):
        return layout.ground in ids or any(one.class_id in ids for one in layout.objects)
    return bool(np.isin(layout.label_map, list(ids)).any())


def _overlapping(objects: tuple[LayoutObject, ...]) -> int:
    """Objects whose box overlaps that of another."""
    if len(objects) < 2:
        return 0
    boxes = np.array([one.box for one in objects])
    low, high = (
        np.maximum(boxes[:, None, :2], boxes[None, :, :2]),
        np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]),
    )
    meets = (high > low).all(axis=2)
    np.fill_diagonal(meets, False)
    return int(meets.any(axis=1).sum())


def _has_hole(one: LayoutObject, size: tuple[int, int]) -> bool:
    if one.rle is None:
        return False
    from scipy.ndimage import binary_fill_holes

    shape = decode(one.rle, size)
    return bool((binary_fill_holes(shape) & ~shape).any())

"""What a format does not carry of the pairs that are written in it: counted while they are written, said once.

What a format loses is counted here, in the pairs as they pass. What it only approximates, the writer says, which knows
what it did with each object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import TypeVar

import numpy as np

from labelmint.formats.class_list import without_shared_colors
from labelmint.formats.format import LOST, Format
from labelmint.formats.painting import PaintedLayout, hidden
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Finding, Layout

__all__ = ["Losses", "extras_lost", "with_own_colors"]

P = TypeVar("P")

_COUNTS: Mapping[str, tuple[str, Callable[[Layout, ClassSet], int]]] = {
    "overlaps": ("objects lose pixels that lie under others", lambda layout, classes: hidden(layout)),
    "instances": (
        "images lose which of their pixels are one object",
        lambda layout, classes: int(_has_instances(layout)),
    ),
    "attributes": (
        "objects lose their attributes",
        lambda layout, classes: sum(bool(one.attributes) for one in layout.objects),
    ),
    "crowds": ("crowds are lost", lambda layout, classes: sum(one.crowd for one in layout.objects)),
    "ignore": ("images lose their pixels to ignore", lambda layout, classes: int(_ignores(layout, classes))),
}
_COLORS = "classes lose their colors"


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
        self._lost = {name for name, how in format.carries.each().items() if how == LOST}
        self._counts: dict[
            tuple[str, str], Counter[str]
        ] = {}  # kind and words -> counts by class names, "" for none
        self._lock = Lock()

    def change(self, kind: str, what: str, count: int | Mapping[str, int]) -> None:
        """Count something that became of the pairs, as `Writing.change` has it."""
        if not count:
            return
        with self._lock:
            self._counts.setdefault((kind, what), Counter()).update(
                {"": count} if isinstance(count, int) else count
            )

    def counted(self, pairs: Iterable[P]) -> Iterator[P]:
        """The pairs as they are, counted as they pass."""
        for done, pair in enumerate(pairs, 1):
            self._report(done)
            for name, (what, count) in _COUNTS.items():
                if name in self._lost and isinstance(pair, AnnotatedImage):
                    self.change(f"{name} lost", what, count(pair.layout, self._classes))
            yield pair

    def findings(self) -> list[Finding]:
        """One finding for each thing that became of some pair."""
        if "colors" in self._lost:
            self.change("colors lost", _COLORS, sum(info.color is not None for info in self._classes.classes))
        return [
            Finding(
                kind=kind, text=f"the format {self._format.name}: {counts.total()} {what}{_by_class(counts)}"
            )
            for (kind, what), counts in sorted(self._counts.items())  # threads count in any order
        ]


def _by_class(counts: Counter[str]) -> str:
    named = [f"{name} {count}" for name, count in sorted(counts.items()) if name]
    return f": {', '.join(named)}" if named else ""


def _has_instances(layout: Layout) -> bool:
    if isinstance(layout, PaintedLayout) or layout.objects:
        return bool(layout.objects)
    return layout.instances is not None and bool(layout.instances.any())


def _ignores(layout: Layout, classes: ClassSet) -> bool:
    """Does a map hold an id to ignore, or the objects and the ground that it would be painted from?"""
    if isinstance(layout, PaintedLayout):
        return layout.ground in classes.ignore or any(
            one.class_id in classes.ignore for one in layout.objects
        )
    return bool(np.isin(layout.label_map, classes.ignore).any())


def with_own_colors(kind: Format, classes: ClassSet) -> tuple[ClassSet, list[Finding]]:
    """The classes as a format can read them back: by colors that several share none of them could be told."""
    if kind.shares_colors:
        return classes, []
    infos = tuple(without_shared_colors(classes.classes))
    lost = [one.name for one, kept in zip(classes.classes, infos, strict=True) if one.color != kept.color]
    if not lost:
        return classes, []
    text = f"the format {kind.name}: {len(lost)} colors of classes are shared with another and are lost, first that of"
    found = Finding(kind="shared colors lost", text=f"{text} {lost[0]!r}", names=tuple(lost))
    return ClassSet(infos, classes.ignore), [found]


def extras_lost(data: DataSet, kind: Format) -> list[Finding]:
    """What the format of the data says beside the pairs, where another one is written."""
    if data.extras is None or data.format == kind.name or not str(data.extras):
        return []
    text = f"the format {kind.name}: what {data.format} says beside its objects is lost: {data.extras}"
    return [Finding(kind="extras lost", text=text)]

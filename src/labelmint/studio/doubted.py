"""Samples by doubt: those first whose image shows the judge the least of what their label says.

doubt = 1 - agreement (`segmenters.agreement`)

The samples are those that `evaluate` drew and kept in REPORT/synthetic; the judge is the run's, which `evaluate`
trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelmint import formats
from labelmint.datasets.enlarged_layouts import repeated
from labelmint.pictures import overlay
from labelmint.studio.shown import doubt_over, pair_as
from labelmint.synthesis.filter import open_filter
from labelmint.types import Layout

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import Array

__all__ = ["Doubted", "Read"]

_AT_ONCE = 16


class Read(NamedTuple):
    """A sample's name, the judge's agreement with its label in [0, 1], and whether `--filter on` would drop it."""

    name: str
    agreement: float
    dropped: bool


class Doubted:
    """The samples of a report, read by the run's judge; their images are read again when they are shown.

    Arguments:
        folder: the samples, as `evaluate` keeps them.

    Attributes:
        order: the samples, the most doubtful first; empty until all are read.

    Raises InputError for a run without a judge, and samples that can't be read.
    """

    def __init__(self, system: TrainedSystem, folder: Path) -> None:
        found = open_filter(system, "on")
        assert found is not None
        self._filter, self._data = found, formats.read(folder, format="folder")
        self.order: list[Read] = []

    @property
    def threshold(self) -> float:
        """The agreement below which `--filter on` drops a sample."""
        return self._filter.threshold

    def read(self) -> Iterator[tuple[int, int]]:
        """Read all samples, some at a time; yields (read, of)."""
        found = list[Read]()
        for first in range(0, len(self._data), _AT_ONCE):
            names = self._data.names[first : first + _AT_ONCE]
            reading = self._filter.seen([self._data.load(name) for name in names]).reading
            found += [
                Read(name, round(float(score), 4), bool(score < self.threshold))
                for name, score in zip(names, reading.scores, strict=True)
            ]
            yield len(found), len(self._data)
        self.order = sorted(found, key=lambda one: (one.agreement, one.name))

    def picture(self, place: int, kind: str) -> Array | None:
        """A sample's "image", its label over it ("overlay"), what the judge reads ("read"), or where it doubts the
        label ("doubt"); None for another kind.
        """
        pair, classes = self._data.load(self.order[place].name), self._filter.classes
        plain = pair_as(pair, classes, kind)
        if plain is not None or kind not in ("read", "doubt"):
            return plain
        reading, factor = self._filter.seen([pair]).reading, self._filter.factor
        if kind == "doubt":
            return doubt_over(pair.image, repeated(1 - reading.labelled[0], factor))
        ids = np.array(self._filter.standard.data.class_ids, np.uint16)[reading.read[0]]
        return overlay(pair.image, Layout(label_map=repeated(ids, factor)), classes)

"""What is to be minted, and the text that says it in settings.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelmint.formats.format import ImageFormat
from labelmint.runs.draw import Draw
from labelmint.runs.origin import Origin
from labelmint.runs.streams import IMAGE
from labelmint.synthesis.filter import Filter
from labelmint.synthesis.refill import Selection

if TYPE_CHECKING:
    from labelmint.runs.ranges import DrawnRanges
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Order", "settings_text"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be minted.

    Attributes:
        system, draw: what draws, and how. origin: all of that which decides a sample, as it is written down.
        n, start: how many pairs, and the index of the first candidate.
        sources: names of the layouts that are taken in turn; empty when layouts are drawn or varied.
        ranges: of the run's training images, of which each image takes one; None where they are as they are.
        image_format: of the images, which decides nothing that is drawn.
        sieve: the filter. cautions: what is doubtful about given layouts, and about the judge.
    """

    system: TrainedSystem
    draw: Draw
    origin: Origin
    n: int
    start: int
    sources: tuple[str, ...]
    ranges: DrawnRanges | None = None
    image_format: ImageFormat = "png"
    sieve: Filter | None = None
    cautions: tuple[str, ...] = ()

    @property
    def chunks(self) -> range:
        """Chunks that hold the candidates, without a filter."""
        size = self.draw.batch_size
        return range(self.start // size, -(-(self.start + self.n) // size))

    def candidates(self, chunk: int) -> range:
        """Candidates of a chunk; with a filter any may be needed."""
        size = self.draw.batch_size
        whole = range(chunk * size, (chunk + 1) * size)
        return (
            whole
            if self.sieve is not None
            else range(max(whole.start, self.start), min(whole.stop, self.start + self.n))
        )

    def source_of(self, index: int) -> str | None:
        """Name of the layout that a pair takes."""
        return self.sources[index // self.draw.per_layout % len(self.sources)] if self.sources else None

    def range_of(self, index: int) -> dict[str, str]:
        """The training pair whose range a pair's image has, for its provenance."""
        return {} if self.ranges is None else {"range": self.ranges.name(self.draw.seeds(IMAGE, [index])[0])}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the pairs, as plain JSON values."""
        filtered = {} if self.sieve is None else {"filter": self.sieve.settings}
        return {**self.origin.to_json(), "n": self.n, "start": self.start, **filtered}


def settings_text(order: Order, format: str, selection: Selection | None) -> str:
    """settings.json of a data set."""
    cautions = {"warnings": order.cautions} if order.cautions else {}
    outcome = {"outcome": selection.outcome} if selection is not None else {}
    images = {"image_format": order.image_format} if order.image_format != "png" else {}
    return json.dumps({**order.settings, "format": format, **images, **cautions, **outcome}, indent=1) + "\n"

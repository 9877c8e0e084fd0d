"""What is to be minted, and the text that says it in settings.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelmint.synthesis.filter import Filter
from labelmint.synthesis.provenance import Origin
from labelmint.synthesis.refill import Selection

if TYPE_CHECKING:
    from labelmint.runs.given import Given
    from labelmint.runs.ranges import DrawnRanges
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Order", "settings_text"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be minted.

    Attributes:
        system, origin: what draws, and all that decides a sample. n, start: how many pairs, and the index of
            the first candidate.
        layouts: given ones, and what is kept of their pairs.
        sources: names of the layouts that are taken in turn; empty when layouts are drawn or varied.
        ranges: of the run's training images, of which each image takes one; None where they are as they are.
        sieve: the filter. cautions: what is doubtful about given layouts, and about the judge.
    """

    system: TrainedSystem
    origin: Origin
    n: int
    start: int
    layouts: Given | None
    sources: tuple[str, ...]
    ranges: DrawnRanges | None = None
    sieve: Filter | None = None
    cautions: tuple[str, ...] = ()

    @property
    def chunks(self) -> range:
        """Those that hold the candidates, without a filter."""
        size = self.origin.batch_size
        return range(self.start // size, -(-(self.start + self.n) // size))

    def candidates(self, chunk: int) -> range:
        """Those of a chunk; with a filter any may be needed."""
        size = self.origin.batch_size
        whole = range(chunk * size, (chunk + 1) * size)
        return (
            whole
            if self.sieve is not None
            else range(max(whole.start, self.start), min(whole.stop, self.start + self.n))
        )

    def source_of(self, index: int) -> str | None:
        """Name of the layout that a pair takes."""
        return self.sources[index // self.origin.per_layout % len(self.sources)] if self.sources else None

    def range_of(self, index: int) -> dict[str, str]:
        """The training pair whose range a pair's image has, for its provenance."""
        return {} if self.ranges is None else {"range": self.ranges.name((self.origin.seed, index))}

    @property
    def layouts_used(self) -> list[int]:
        """Indices of the given layouts that some pair takes."""
        assert self.layouts is not None
        first, last = (index // self.origin.per_layout for index in (self.start, self.start + self.n - 1))
        count = len(self.layouts.ids)
        return sorted({k % count for k in range(first, min(last + 1, first + count))})

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the pairs, as plain JSON values."""
        filtered = {} if self.sieve is None else {"filter": self.sieve.settings}
        return {**self.origin.to_json(), "n": self.n, "start": self.start, **filtered}


def settings_text(order: Order, format: str, selection: Selection | None) -> str:
    """settings.json of a data set."""
    cautions = {"warnings": order.cautions} if order.cautions else {}
    outcome = {"outcome": selection.outcome} if selection is not None else {}
    return json.dumps({**order.settings, "format": format, **cautions, **outcome}, indent=1) + "\n"

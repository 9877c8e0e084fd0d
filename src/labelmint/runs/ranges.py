"""The ranges of a run's training images: each drawn image takes that of one of them.

ranges.json     name of a training pair -> its lowest and highest level (`datasets.ranges`)
"""

from __future__ import annotations

from collections.abc import Iterable

from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range
from labelmint.errors import InputError
from labelmint.seeds import Seed, uniforms
from labelmint.storage import write_json
from labelmint.training.run_folder import RunFolder

__all__ = ["RANGES", "DrawnRanges", "place_of", "write_ranges"]

RANGES = "ranges.json"


class DrawnRanges:
    """Ranges to draw from; sample i takes one by (seed, "range", i)."""

    def __init__(self, names: tuple[str, ...], ranges: tuple[Range, ...]) -> None:
        self.names, self.ranges = names, ranges

    @classmethod
    def read(cls, run: RunFolder) -> DrawnRanges:
        """Ranges of a run; raises InputError when they are missing or damaged."""
        stored = run.read_json(RANGES)
        try:
            found = {name: Range(float(low), float(high)) for name, (low, high) in stored.items()}
        except (TypeError, ValueError):
            raise InputError(f"{run.path / RANGES}: damaged; restore it, or train again") from None
        return cls(tuple(found), tuple(found.values()))

    def place(self, seed: Seed) -> int:
        """The place of the training pair whose range a sample takes."""
        return place_of(seed, len(self.names))

    def name(self, seed: Seed) -> str:
        """The name of that pair."""
        return self.names[self.place(seed)]

    def range(self, seed: Seed) -> Range:
        """Its range."""
        return self.ranges[self.place(seed)]


def place_of(seed: Seed, count: int) -> int:
    """Which of so many training pairs a sample takes the range of."""
    return int(uniforms([seed], "range", 1)[0, 0] * count)


def write_ranges(run: RunFolder, pairs: Iterable[Pair]) -> None:
    """Store the ranges of training pairs that have one."""
    write_json(run.path / RANGES, {pair.name: list(pair.range) for pair in pairs if pair.range is not None})

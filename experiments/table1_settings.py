"""What tells one data set's Table 1 from another's, and what decides its figures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Options", "Published", "TableOne"]


@dataclass(frozen=True)
class Published:
    """A row as printed: system, DICE (accuracy), DICE (diversity), FID, and the paper."""

    system: str
    accuracy: float | None
    diversity: float | None
    fid: float | None
    paper: str


@dataclass(frozen=True)
class TableOne:
    """What tells one data set's table from another's: name, composition whose rules are known, the papers'
    rows, what differs here.
    """

    name: str
    title: str
    composition: str | None
    published: tuple[Published, ...]
    differs: tuple[str, ...]
    commands: str


@dataclass(frozen=True)
class Options:
    """What decides the figures beside weights and data."""

    n: int
    seeds: int
    seed: int
    judge_steps: int
    temperature: float
    composition: str | None
    at_most: int
    device: str

"""Progress: what long work reports to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Event", "Report"]


@dataclass(frozen=True)
class Event:
    """One report of progress. `steps` may shrink when time is the limit; losses are the latest, held-out ones
    named held_out_*. The time left is the longest that it can take where it is `at_most` that.
    """

    stage: str
    step: int
    steps: int
    images_per_second: float = 0.0
    seconds_left: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    message: str = ""
    at_most: bool = False


Report = Callable[[Event], None]

"""How long the pieces of work of a study take, and what of them is ahead."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np

from labelmint.progress import Event, Report
from labelmint.usefulness.plan import Cell

__all__ = ["ARM", "MAKE", "POOL", "SETTLE", "SHARE", "Ahead", "Pace"]

SETTLE, ARM, POOL, MAKE = "arm that settles", "arm", "arm with a pool", "samples"
SHARE = "what samples give away"


class Pace:
    """How long pieces of work take: the mean of those of the same kind and number of pairs, else of the same
    kind, else a guess.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[int, float]]] = {
            kind: [] for kind in (SETTLE, ARM, POOL, MAKE, SHARE)
        }
        self.guess = dict.fromkeys(self._seen, 0.0)

    def saw(self, kind: str, n: int, seconds: float) -> None:
        """Take in how long a piece of work took."""
        self._seen[kind].append((n, seconds))

    def knows(self, kind: str) -> bool:
        """True if any piece of that kind was seen."""
        return bool(self._seen[kind])

    def expected(self, kind: str, n: int) -> float:
        """Seconds of a piece of work with n pairs."""
        same = [seconds for at, seconds in self._seen[kind] if at == n]
        found = same or [seconds for _, seconds in self._seen[kind]]
        return float(np.mean(found)) if found else self.guess[kind]


class Ahead:
    """Pieces of work that are ahead in a call, the time that is left for them, and what was left out.

    Arguments:
        tell: hears of progress. budget: minutes; None for no limit.

    Attributes:
        pace: of the work so far. left_out: in words.
    """

    def __init__(self, tell: Report, budget: float | None) -> None:
        self.pace, self.left_out = Pace(), list[str]()
        self._tell, self._budget, self._begin, self._done = tell, budget, time.perf_counter(), 0
        self._counts: Counter[tuple[str, int]] = Counter()

    def add(self, kind: str, n: int, count: int) -> None:
        """Count pieces of work, or discount them; there are never fewer than none."""
        self._counts[kind, n] = max(self._counts[kind, n] + count, 0)

    def holds(self, kind: str, n: int) -> bool:
        """True if any is ahead."""
        return self._counts[kind, n] > 0

    def fits(self, kind: str, n: int) -> bool:
        """True if the budget allows to begin a piece of work."""
        if self._budget is None:
            return True
        left = 60 * self._budget - (time.perf_counter() - self._begin)
        return left > 0 and self.pace.expected(kind, n) <= left

    def leave_out(self, kind: str, cell: Cell, what: str) -> None:
        """A piece of work is not done in this call."""
        self.left_out.append(f"n = {cell.n}, seed {cell.seed}: {what}")
        self.finished(kind, cell.n, trained=False)

    def finished(self, kind: str, n: int, trained: bool = True) -> None:
        """A piece of work is no longer ahead."""
        self.add(kind, n, -1)
        self._done += trained

    def telling(self, kind: str, cell: Cell) -> Report:
        """A report that names the cell, counts the pieces of work, and tells the time left over all of them."""
        begin, ahead = time.perf_counter(), sum(self._counts.values())
        others = self._counts - Counter([(kind, cell.n)])

        def tell(event: Event) -> None:
            own, known = event.seconds_left, self.pace.knows(kind)
            if known:
                own = max(self.pace.expected(kind, cell.n) - (time.perf_counter() - begin), 0.0)
            left = own + sum(count * self.pace.expected(*which) for which, count in others.items())
            told = f"n={cell.n} seed {cell.seed}: {event.stage}"
            message = f"{self._done + 1} of about {self._done + max(ahead, 1)} pieces of work"
            at_most = event.at_most and not known
            self._tell(replace(event, stage=told, seconds_left=left, message=message, at_most=at_most))

        return tell

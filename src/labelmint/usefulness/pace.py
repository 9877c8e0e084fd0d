"""How long the pieces of work of a study take."""

from __future__ import annotations

import numpy as np

__all__ = ["ARM", "MAKE", "POOL", "SETTLE", "Pace"]

SETTLE, ARM, POOL, MAKE = "arm that settles", "arm", "arm with a pool", "samples"


class Pace:
    """How long pieces of work take: the mean of those of the same kind and number of pairs, else of the same
    kind, else a guess.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[int, float]]] = {kind: [] for kind in (SETTLE, ARM, POOL, MAKE)}
        self.guess = dict.fromkeys(self._seen, 0.0)

    def saw(self, kind: str, n: int, seconds: float) -> None:
        """Take in how long a piece of work took."""
        self._seen[kind].append((n, seconds))

    def knows(self, kind: str) -> bool:
        """Whether any piece of that kind was seen."""
        return bool(self._seen[kind])

    def expected(self, kind: str, n: int) -> float:
        """Seconds of a piece of work with n pairs."""
        same = [seconds for at, seconds in self._seen[kind] if at == n]
        found = same or [seconds for _, seconds in self._seen[kind]]
        return float(np.mean(found)) if found else self.guess[kind]

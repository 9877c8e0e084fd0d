"""Views that show each class as often as the others, so that what is rare is seen at all.

P(class k) = 1 / number of classes that there are,   then a pair that shows k, then one of its pixels of k, evenly
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from labelmint.types import Array

__all__ = ["Showing"]


class Showing:
    """Which pair to view around which pixel.

    Arguments:
        ids: maps (H, W).
        wanted: the ids to show; all that occur unless given. False when none of them occurs.
    """

    def __init__(self, ids: Sequence[Array], wanted: Iterable[int] | None = None) -> None:
        held: dict[int, list[int]] = {}
        for place, one in enumerate(ids):
            for k in np.unique(one):
                held.setdefault(int(k), []).append(place)
        self._ids = ids
        self._held = held if wanted is None else {k: held[k] for k in wanted if k in held}

    def __bool__(self) -> bool:
        return bool(self._held)

    def choose(self, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        """The place of a pair, and (row, column)."""
        wanted = int(rng.choice(list(self._held)))
        which = int(rng.choice(self._held[wanted]))
        row, column = divmod(int(rng.choice(np.flatnonzero(self._ids[which] == wanted))), self._ids[which].shape[1])
        return which, (row, column)

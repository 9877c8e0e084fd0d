"""Views that show each class as often as the others, so that what is rare is seen at all.

P(class k) = 1 / number of classes that there are,   then a pair that shows k, then one of its pixels of k,
evenly

Several ids can be one class, as symbols that tell touching instances apart are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labelmint.types import Array

__all__ = ["Showing"]


class Showing:
    """Which pair to view around which pixel.

    Arguments:
        ids: maps (H, W).
        class_of: the class of each id that is to be shown. False when none of them occurs.
    """

    def __init__(self, ids: Sequence[Array], class_of: Mapping[int, int]) -> None:
        self._ids = ids
        # class -> (place of a pair that shows it, ids of it there)
        self._held: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        for place, one in enumerate(ids):
            found: dict[int, list[int]] = {}
            for k in np.unique(one).tolist():
                if k in class_of:
                    found.setdefault(class_of[k], []).append(k)
            for kind, its_ids in found.items():
                self._held.setdefault(kind, []).append((place, tuple(its_ids)))

    def __bool__(self) -> bool:
        return bool(self._held)

    def choose(self, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        """The place of a pair, and (row, column)."""
        pairs = self._held[int(rng.choice(list(self._held)))]
        which, its_ids = pairs[int(rng.integers(len(pairs)))]
        row, column = divmod(
            int(rng.choice(np.flatnonzero(np.isin(self._ids[which], its_ids)))), self._ids[which].shape[1]
        )
        return which, (row, column)

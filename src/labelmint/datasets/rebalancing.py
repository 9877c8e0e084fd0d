"""Views that show more often what is rare: each class as often as the others, or each class with each of its looks.

P(class k) = 1 / number of classes that there are,   then a pair that shows k, then one of its pixels of k,
evenly

Or the classes of the largest areas, at most five, take turns, and for class k a pair i comes with a probability in
proportion to the rarity R_k(i) of its look there (`datasets.rarity`).

Several ids can be one class, as symbols that tell touching instances apart are.

References:
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019), supplement, appendix A
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labelmint.datasets.rarity import Rarity
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["REBALANCING", "RareLooks", "Showing", "check_rebalance"]

REBALANCING = ("none", "classes", "appearance")
_LARGEST = 5


def check_rebalance(how: str) -> None:
    """Raise InputError for a way of rebalancing that there is not."""
    if how not in REBALANCING:
        raise InputError(f"--rebalance {how}: expected one of {', '.join(REBALANCING)}")


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
        ids = self._ids[which]
        # a comparison is faster than `isin`
        return which, _pixel(rng, ids == its_ids[0] if len(its_ids) == 1 else np.isin(ids, its_ids))


class RareLooks:
    """Which pair to view around which pixel, the rarer the look of its class, the more often.

    Arguments:
        ids: maps (H, W).
        rarity: of the pairs.
        shown: the classes that may take a turn. False when none of them occurs.
    """

    def __init__(self, ids: Sequence[Array], rarity: Rarity, shown: Sequence[int]) -> None:
        self._ids, self._class_of = ids, rarity.class_of
        places = [k for k, owner in enumerate(rarity.classes) if owner in set(shown) and rarity.areas[k]]
        # the largest areas first; of equal ones the lower class
        self.places = sorted(places, key=lambda k: (-int(rarity.areas[k]), k))[:_LARGEST]
        self._up_to = {k: np.cumsum(rarity.scores[:, k]) for k in self.places}

    def __bool__(self) -> bool:
        return bool(self.places)

    def choose(self, rng: np.random.Generator, turn: int) -> tuple[int, tuple[int, int]]:
        """The place of a pair, and (row, column), for the class whose turn it is."""
        place = self.places[turn % len(self.places)]
        up_to = self._up_to[place]
        which = int(np.searchsorted(up_to, rng.random() * up_to[-1], side="right"))
        return which, _pixel(rng, self._class_of[self._ids[which]] == place)


def _pixel(rng: np.random.Generator, where: Array) -> tuple[int, int]:
    """(row, column) of one of the pixels of a mask (H, W), evenly."""
    row, column = divmod(int(rng.choice(np.flatnonzero(where))), int(where.shape[1]))
    return row, column

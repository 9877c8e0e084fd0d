"""How the n labels of a cell are divided where there are no others: into two folds that validate each other's
segmenters, and for a generator into pairs that train and a few that it is held to.

Groups are never divided as long as there are two of them (for a generator: three). Those that show most
foreground classes come first, of equals the first by hash, so that every part shows what there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.usefulness.order import hash_of

__all__ = ["HELD_GROUPS", "held_for_generator", "two_folds"]

HELD_GROUPS, _HELD_SHARE = 2, 0.1


def two_folds(pairs: Sequence[Pair], foreground: Sequence[int], seed: int) -> tuple[tuple[int, ...], ...]:
    """Places of pairs in each of two folds, of about the same number of pairs; at least two pairs are needed."""
    folds: tuple[list[int], list[int]] = ([], [])
    for places in _groups(pairs, foreground, seed, fewest=2):
        min(folds, key=len).extend(places)
    return tuple(tuple(sorted(fold)) for fold in folds)


def held_for_generator(pairs: Sequence[Pair], foreground: Sequence[int], seed: int) -> tuple[int, ...]:
    """Places of the pairs that a generator, the judge of its filter and its gate are held to: a tenth of them, of at
    least two groups.
    """
    groups, held = _groups(pairs, foreground, seed, fewest=HELD_GROUPS + 1), list[int]()
    enough = math.ceil(_HELD_SHARE * len(pairs))
    for count, places in enumerate(groups[:-1]):
        if count >= HELD_GROUPS and len(held) >= enough:
            break
        held += places
    return tuple(sorted(held))


def _groups(pairs: Sequence[Pair], foreground: Sequence[int], seed: int, fewest: int) -> list[list[int]]:
    """Places by group in the order above; every pair its own group where there are fewer than `fewest`."""
    grouped = len({one.group for one in pairs}) >= fewest
    found: dict[str, list[int]] = {}
    for place, one in enumerate(pairs):
        found.setdefault(one.group if grouped else one.name, []).append(place)
    shown = {
        name: len(set(foreground) & {int(k) for place in places for k in np.unique(pairs[place].ids)})
        for name, places in found.items()
    }
    return [found[name] for name in sorted(found, key=lambda name: (-shown[name], hash_of(seed, name)))]

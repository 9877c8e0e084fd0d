"""Folds of labelled pairs, and what each member of an ensemble learns from.

    few pairs     k folds by group; member j learns from all folds but j, which says when it has learned enough
    many pairs    every member learns from the training part, and the validation part says when

A group goes to one fold. Groups are dealt in turn, those first that show the rarest class, so that each fold
shows what few pairs show, where there are as many.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelmint.datasets.pair import Pair

__all__ = ["Lesson", "cross_fitted", "folds_of", "held_out_alike"]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one member learns from: pairs of class indices at the scale of training."""

    training: Sequence[Pair]
    held_out: Sequence[Pair]


def folds_of(pairs: Sequence[Pair], count: int) -> list[list[int]]:
    """The places of the pairs of each fold; as many folds as there are groups where these are fewer."""
    classes = [set(np.unique(pair.ids).tolist()) - {-1} for pair in pairs]
    shown = Counter(k for some in classes for k in some)
    groups: dict[str, list[int]] = {}
    for place, pair in enumerate(pairs):
        groups.setdefault(pair.group, []).append(place)
    nothing = (len(pairs) + 1, -1)
    rarest = {
        name: min([nothing, *((shown[k], k) for place in places for k in classes[place])])
        for name, places in groups.items()
    }
    order = sorted(groups, key=lambda name: (rarest[name], hashlib.sha256(name.encode()).digest()))
    folds: list[list[int]] = [[] for _ in range(min(count, len(groups)))]
    for turn, name in enumerate(order):
        folds[turn % len(folds)].extend(groups[name])
    return [sorted(fold) for fold in folds]


def cross_fitted(pairs: Sequence[Pair], folds: Sequence[Sequence[int]], members: int) -> list[Lesson]:
    """The lesson of each member, where pairs are few; more members than folds begin with the first again."""
    lessons = []
    for member in range(members):
        fold = set(folds[member % len(folds)])
        lessons.append(
            Lesson(
                training=[pair for place, pair in enumerate(pairs) if place not in fold],
                held_out=[pair for place, pair in enumerate(pairs) if place in fold],
            )
        )
    return lessons


def held_out_alike(training: Sequence[Pair], validation: Sequence[Pair], members: int) -> list[Lesson]:
    """The lesson of each member, where pairs are many."""
    return [Lesson(training=training, held_out=validation)] * members

"""The parts that the sections of a study's report share: the arms in words, a mean, a figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping

from labelmint.reports.results import Figure
from labelmint.usefulness.figures import Interval
from labelmint.usefulness.outcome import Point

__all__ = ["ARMS", "LEFT_OUT", "figure_of", "mean_of"]

ARMS: Mapping[str, str] = {
    "R": "real pairs as they are",
    "A": "R + strong augmentation, averaged weights and averaged readings",
    "C": "A + copy-paste",
    "S": "A + synthetic pairs at the chosen ratio",
    "Y": "synthetic pairs alone, augmented",
    "accuracy": "R + synthetic pairs, no augmentation",
    "diversity": "synthetic pairs alone, no augmentation",
    "ST": "A + the pool with minted labels, doubtful pixels ignored",
    "FM": "A + consistency on the pool: the teacher's sure readings of weak views teach strong ones",
    "TR": "A + labelled pairs with the looks of the pool, one for each real one",
    "S+ST": "A + synthetic pairs and the pool with minted labels",
    "A0": "R + narrow augmentation, with as many pairs again to validate: the baseline of former versions",
    "A0n": "the same, with n real pairs in all",
}
LEFT_OUT = "not trained: not asked for, left out by the budget, or there are no samples"


def figure_of(
    name: str,
    title: str,
    found: Interval | None,
    *,
    unit: str,
    how: str,
    refused: str = LEFT_OUT,
    scale: float = 1,
) -> Figure:
    if found is None:
        return Figure(
            name=name, title=title, value=None, unit=unit, how=how, refused=refused, better="higher"
        )
    low, high = (None if end is None else scale * end for end in (found.low, found.high))
    return Figure(
        name=name,
        title=title,
        value=scale * found.mean,
        low=low,
        high=high,
        unit=unit,
        how=how,
        better="higher",
    )


def mean_of(point: Point, name: str, what: str = "dice") -> float | None:
    found = point.mean(name, what)
    return None if found is None else found.mean

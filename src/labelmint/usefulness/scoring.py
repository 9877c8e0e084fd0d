"""Scores of what a segmenter reads against the labels of a real part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from labelmint.metrics.boundary import boundary_score
from labelmint.metrics.overlap import confusion, dice, iou
from labelmint.types import Array

__all__ = ["Scores", "mean_dice", "scores"]


class Scores(BaseModel):
    """Agreement with the labels of a real part.

    Attributes:
        confusion: (K, K) counts of pixels by label (rows) and prediction.
        surface: (K,) share of the boundary that lies within 2 pixels of the other's, None where a class has
            none.
        dice: mean over the foreground classes that are labelled or predicted; miou: over all classes that
            are.
        boundary: mean of `surface` over the foreground classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confusion: tuple[tuple[int, ...], ...]
    surface: tuple[float | None, ...]
    dice: float
    miou: float
    boundary: float | None
    dice_by_class: tuple[float | None, ...]


def scores(labels: Array, read: Array, classes: int, foreground: Sequence[int]) -> Scores:
    """Scores of class indices read (N, H, W) against labels (N, H, W), -1 where ignored."""
    counts = confusion(labels, read, classes).sum(axis=0)
    hits, sizes = (part.sum(axis=0) for part in boundary_score(labels, read, classes))
    of_class, surface = dice(counts), np.divide(hits, sizes, out=np.full(classes, np.nan), where=sizes > 0)
    chosen = list(foreground)
    return Scores(
        confusion=tuple(tuple(int(value) for value in row) for row in counts),
        surface=_or_none(surface),
        dice_by_class=_or_none(of_class),
        dice=mean_dice(counts, foreground),
        miou=_mean(iou(counts)),
        boundary=None if np.isnan(surface[chosen]).all() else _mean(surface[chosen]),
    )


def mean_dice(counts: Array, foreground: Sequence[int]) -> float:
    """Mean Dice over the foreground classes that counts of pixels (K, K) show; 0 where they show none."""
    return _mean(dice(counts)[list(foreground)])


def _or_none(values: Array) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _mean(values: Array) -> float:
    """Mean of those that there are, 0 when there is none."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else 0.0

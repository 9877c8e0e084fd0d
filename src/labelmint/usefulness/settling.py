"""The choices of an arm on labelled pairs that its segmenter has not seen: how long it trains, and what is done to
its pairs.

    D(r)       Dice of recipe r on all pairs that were held out, class by class over all pixels at once
    g(r)       = D(r) - D(the recipe so far)
    e(r)       its standard error by the jackknife over the G groups of these pairs:
                 e^2 = (G - 1) / G sum over groups (g without the group - their mean)^2
    r is taken where g(r) > e(r): a choice departs from what is usual only beyond one standard error

Two readings say which pairs are held out:

    cross-fitted   the n training pairs are all labels that there are. Two segmenters are trained, each on one fold
                   and held to the other until its loss is at a plateau; other recipes get the same steps. Then one
                   is trained on all n, each of its phases longer as n is to a fold, and nothing holds it.
    beside         other pairs validate: every recipe is trained to its plateau there, and the best is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import nn

from labelmint.evaluation.views import Views
from labelmint.metrics.overlap import confusion
from labelmint.types import Array
from labelmint.usefulness.recipe import ALTERNATIVES, Recipe
from labelmint.usefulness.scoring import Scores, mean_dice

__all__ = ["Attempt", "HeldOut", "Settled", "Trial", "Tried", "beyond_one_error", "joined", "settle"]


class Tried(BaseModel):
    """A recipe that was compared with the one so far.

    Attributes:
        what: it changes, in words. dice: on held-out pairs. gain, error: as above. taken: whether it was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    dice: float
    gain: float
    error: float | None
    taken: bool


class Settled(BaseModel):
    """What an arm was found to do best, and how the recipe did on held-out pairs.

    Attributes:
        phases: steps of the final training at each learning rate. reached: whether the trainings that found them
            were at their plateaus.
        dice: of the usual recipe on held-out pairs. most_steps: the limit that held then. tried: the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: Recipe
    phases: tuple[int, ...]
    reached: bool
    dice: float
    most_steps: int
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class HeldOut:
    """What was read from pairs that were held out: views and class indices (N, H, W)."""

    views: Views
    read: Array

    def counts(self, classes: int) -> Array:
        """(G, K, K) counts of pixels by group, label and prediction."""
        each = confusion(self.views.labels, self.read, classes)
        groups = sorted(set(self.views.groups))
        place = {name: k for k, name in enumerate(groups)}
        found = np.zeros((len(groups), classes, classes), np.int64)
        np.add.at(found, [place[name] for name in self.views.groups], each)
        return found


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe that was trained and held to pairs it had not seen.

    Attributes:
        phases: steps at each learning rate. reached: whether they ended at a plateau.
        best_step, loss: of the kept weights; None where several, or none, were held to a loss.
        held_out: what it read. scores: of that.
        network: that may be kept; None where the pairs that validated are trained on, too. seconds: of its training.
    """

    recipe: Recipe
    phases: tuple[int, ...]
    reached: bool
    best_step: int | None
    loss: float | None
    held_out: HeldOut
    scores: Scores
    network: nn.Module | None
    seconds: float = 0.0


class Attempt(Protocol):
    def __call__(self, recipe: Recipe, phases: Sequence[int] | None, says: str) -> Trial:
        """Train a recipe: for so many steps, or to its plateau where None."""


def joined(parts: Sequence[HeldOut]) -> HeldOut:
    """What was read from several parts, as one."""
    views = [one.views for one in parts]
    whole = Views(
        names=tuple(name for one in views for name in one.names),
        groups=tuple(group for one in views for group in one.groups),
        images=np.concatenate([one.images for one in views]),
        labels=np.concatenate([one.labels for one in views]),
        instances=None,
    )
    return HeldOut(whole, np.concatenate([one.read for one in parts]))


def settle(
    recipe: Recipe,
    attempt: Attempt,
    *,
    classes: int,
    foreground: Sequence[int],
    alternatives: Sequence[str],
    same_steps: bool,
) -> tuple[Trial, Trial, tuple[Tried, ...]]:
    """The trial of the usual recipe, that of the one that is taken, and what else was tried.

    Arguments:
        alternatives: names in `ALTERNATIVES`, in the order they are tried.
        same_steps: whether others are trained as long as the first, and not to their own plateaus.
    """
    first = best = attempt(recipe, None, "usual")
    tried: list[Tried] = []
    for name in alternatives:
        changed = best.recipe.model_copy(update=ALTERNATIVES[name])
        other = attempt(changed, first.phases if same_steps else None, name)
        before, after = (one.held_out.counts(classes) for one in (best, other))
        gain, error, taken = beyond_one_error(before, after, foreground)
        told = None if math.isinf(error) else error
        tried.append(Tried(what=name, dice=other.scores.dice, gain=gain, error=told, taken=taken))
        best = other if taken else best
    return first, best, tuple(tried)


def beyond_one_error(before: Array, after: Array, foreground: Sequence[int]) -> tuple[float, float, bool]:
    """Gain of counts (G, K, K) over others in Dice, its standard error, infinite of one group, and whether the gain is
    larger.
    """

    def gain(kept: Array) -> float:
        return mean_dice(after[kept].sum(axis=0), foreground) - mean_dice(
            before[kept].sum(axis=0), foreground
        )

    count = len(before)
    whole = gain(np.ones(count, bool))
    if count < 2:
        return whole, math.inf, False
    without = np.array([gain(np.arange(count) != k) for k in range(count)])
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return whole, error, whole > error

"""What a study found at each number of training pairs, and the choice of ratio and way of drawing, on which test
data have no influence.

    Within n labels nothing real is left that neither generator nor segmenter has seen: the form that was named first
    is chosen. With extra validation pairs another form c is, where its mean gain g in validation Dice over the first
    one is beyond one standard error over the K seeds:  mean g > std(g) / sqrt(K),  K >= 2
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from labelmint.usefulness.arms import ALONE, POOLED, USUAL, Arm, arm_named
from labelmint.usefulness.cells import Drawn, Record, arm_key
from labelmint.usefulness.figures import (
    Interval,
    Worth,
    better_of,
    differences,
    interval_of,
    share_closed,
    worth_of,
)
from labelmint.usefulness.plan import Way
from labelmint.usefulness.scoring import Scores
from labelmint.usefulness.sharing import Shared

__all__ = ["Candidate", "Outcome", "Point", "choose"]


@dataclass(frozen=True)
class Candidate:
    """A ratio and a way of drawing: one form of arm S."""

    ratio: float
    way: Way

    @property
    def arm(self) -> Arm:
        """Arm S of that ratio."""
        return arm_named("S", self.ratio)

    @property
    def key(self) -> str:
        """Name of the arm's file."""
        return arm_key(self.arm, self.way)

    @property
    def words(self) -> str:
        """For people."""
        made = "given pairs" if self.way.given else f"synthetic pairs ({self.way.words})"
        return f"{self.ratio:g} {made} for each real one"


def choose(candidates: Sequence[Candidate], arms: Mapping[str, Mapping[int, Record]]) -> Candidate | None:
    """The candidate that is chosen by the rule above; those that were trained under fewer seeds than others do not
    count. Test figures are never looked at.
    """
    trained = [(candidate, arms[candidate.key]) for candidate in candidates if arms.get(candidate.key)]
    most = max((len(records) for _, records in trained), default=0)
    whole = [(candidate, records) for candidate, records in trained if len(records) == most]
    if not whole:
        return None
    first, usual = whole[0][0], _validated(whole[0][1])
    gains = [(candidate, _gains(_validated(records), usual)) for candidate, records in whole[1:]]
    better = [
        (float(np.mean(values)), candidate)
        for candidate, values in gains
        if len(values) > 1 and np.mean(values) > np.std(values, ddof=1) / math.sqrt(len(values))
    ]
    return max(better, key=lambda one: one[0])[1] if better else first


def _validated(records: Mapping[int, Record]) -> dict[int, float]:
    """Validation Dice by seed, of those that other pairs validated."""
    found = {seed: record.result.validation for seed, record in records.items()}
    return {seed: one.dice for seed, one in found.items() if one is not None}


def _gains(one: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    return [one[seed] - other[seed] for seed in sorted(set(one) & set(other))]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One number of training pairs.

    Attributes:
        n: of training pairs.
        arms: records by arm and seed.
        candidates: what was compared. chosen: by `choose`; None where no arm S was trained.
        drawn: what became of the samples, by way and seed. asked: names of the arms that were to be trained.
        shared: what the pairs of arm Y give away, by seed; empty where that was not asked.
    """

    n: int
    arms: Mapping[str, Mapping[int, Record]]
    candidates: tuple[Candidate, ...] = ()
    chosen: Candidate | None = None
    drawn: Mapping[Way, Mapping[int, Drawn]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset(USUAL)
    shared: Mapping[int, Shared] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """The file name of an arm in its chosen form: "A", "S-1-t0.85-on"."""
        if name in ALONE:
            return arm_named(name).key
        # without an arm S nothing is chosen, and arm Y has the first form that there is
        forms = self.candidates if self.chosen is None else (self.chosen,)
        keys = [arm_key(arm_named(name, form.ratio), form.way) for form in forms]
        return next((key for key in keys if key in self.arms), "")

    def scores(self, name: str, what: str = "dice") -> dict[int, float]:
        """Test scores of an arm in its chosen form by seed: "dice", "miou" or "boundary"; empty where it was
        not trained.
        """
        values = {seed: getattr(record.result.test, what) for seed, record in self._of(name).items()}
        return {seed: value for seed, value in values.items() if value is not None}

    def of_class(self, name: str, k: int) -> dict[int, float]:
        """Test Dice of one class by seed."""
        found = {seed: record.result.test.dice_by_class[k] for seed, record in self._of(name).items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def tests(self, name: str) -> dict[int, Scores]:
        """All test scores of an arm by seed."""
        return {seed: record.result.test for seed, record in self._of(name).items()}

    def _of(self, name: str) -> Mapping[int, Record]:
        return self.arms.get(self.key(name), {})

    def mean(self, name: str, what: str = "dice", seeds: Iterable[int] | None = None) -> Interval | None:
        """Mean of an arm over its seeds, or those of them that are named; None where it was trained under none."""
        scores = self.scores(name, what)
        values = [value for seed, value in scores.items() if seeds is None or seed in set(seeds)]
        return interval_of(values) if values else None

    @property
    def baseline(self) -> str:
        """A or C, whichever has the higher mean test Dice over the seeds of S: the one that makes the gain
        smaller.
        """
        seeds = set(self.scores("S") or self.scores("A"))
        known = {name: {k: v for k, v in self.scores(name).items() if k in seeds} for name in ("A", "C")}
        whole = {name: scores for name, scores in known.items() if scores and set(scores) == seeds}
        return better_of(whole) if whole else "A"

    def gain(self, what: str = "dice", over: str = "", arm: str = "S") -> Interval | None:
        """Gain of an arm over another, the baseline unless named, in points, paired over seeds; None where they
        share no seed, and where C, which could be the better baseline, lacks seeds that S has.
        """
        if not over and "C" in self.asked and set(self.scores("S")) - set(self.scores("C")):
            return None
        values = list(differences(self.scores(arm, what), self.scores(over or self.baseline, what)).values())
        return interval_of(values) if values else None

    @property
    def share_of_copies(self) -> float | None:
        """Share of all candidates drawn in the chosen way that was withheld as near-copies; None where there was no
        gate.

        Where samples without a filter stand in for those that a filter refused, what the gate said of the
        latter counts.
        """
        if self.chosen is None:
            return None
        ways = (self.chosen.way, replace(self.chosen.way, filter="on"))
        found = [one for way in dict.fromkeys(ways) for one in self.drawn.get(way, {}).values() if one.drawn]
        drawn = sum(one.drawn or 0 for one in found)
        return sum(one.copies or 0 for one in found) / drawn if drawn else None

    @property
    def refusals(self) -> dict[str, str]:
        """Why samples could not be had, by way and seed in words."""
        return {
            f"{way.words}, seed {seed}": one.refused
            for way, by_seed in self.drawn.items()
            for seed, one in sorted(by_seed.items())
            if one.refused
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All of a study.

    Attributes:
        points: at every number that arm A was to be trained at, rising. studied: those of them that samples
            were asked for at.
        pool: all training pairs there are.
        seeds: asked for. curve: only the learning curve was asked for. given: the samples were given.
        left_out: what the budget left out, in words. blind: the Dice of a reading that looks at no image
            (`blind_dice`).
    """

    points: tuple[Point, ...]
    studied: tuple[int, ...]
    pool: int
    seeds: tuple[int, ...]
    curve: bool
    given: bool
    left_out: tuple[str, ...]
    blind: float

    def trained(self, names: Iterable[str]) -> tuple[str, ...]:
        """The arms among some that were trained anywhere, in the same order."""
        return tuple(name for name in names if any(point.scores(name) for point in self.points))

    @property
    def drew(self) -> bool:
        """True if arms with synthetic pairs were asked for, or trained by an earlier call."""
        return not self.curve and any("S" in point.asked or point.scores("S") for point in self.points)

    @property
    def pooled(self) -> bool:
        """True if an arm with a pool was trained."""
        return bool(self.trained(POOLED))

    def at(self, n: int) -> Point:
        """The point of n training pairs."""
        return next(point for point in self.points if point.n == n)

    @property
    def learning_curve(self) -> dict[int, float]:
        """Mean test Dice of arm A by number of training pairs, over the seeds that it was trained under
        everywhere.
        """
        return self.curve_over(self.seeds)

    def curve_over(self, seeds: Iterable[int]) -> dict[int, float]:
        """The learning curve over some seeds, as far as arm A was trained under them everywhere."""
        scores, shared = self._scores_of_curve, sorted(self._seeds_of_curve(seeds))
        return (
            {n: float(np.mean([one[seed] for seed in shared])) for n, one in scores.items()} if shared else {}
        )

    @property
    def _scores_of_curve(self) -> dict[int, dict[int, float]]:
        return {point.n: scores for point in self.points if (scores := point.scores("A"))}

    def _seeds_of_curve(self, seeds: Iterable[int]) -> set[int]:
        """The seeds, of some, under which arm A was trained everywhere."""
        return set(seeds).intersection(*self._scores_of_curve.values())

    def worth(self, point: Point, name: str) -> Worth | None:
        """The number of real pairs at which the learning curve of arm A reaches an arm, both over the seeds that they
        share; None without a curve of two points, of which one is that of the arm.
        """
        seeds = self._seeds_of_curve(point.scores(name))
        curve, reached = self.curve_over(seeds), point.mean(name, seeds=seeds)
        if reached is None or len(curve) < 2 or point.n not in curve:
            return None
        return worth_of(reached.mean, curve, point.n)

    def closed(self, point: Point, name: str, over: str) -> float | None:
        """The share of the headroom that the gain of an arm over another closes, both over the seeds that they share;
        None without these, and without headroom.
        """
        gains = differences(point.scores(name), point.scores(over))
        rooms = differences(self.at(self.pool).scores("A"), point.scores("A"))
        shared = sorted(set(gains) & set(rooms))
        if not shared or point.n == self.pool:
            return None
        gain, room = (float(np.mean([one[seed] for seed in shared])) for one in (gains, rooms))
        return share_closed(gain, room)

    def headroom(self, n: int) -> Interval | None:
        """A with all training pairs minus A with n, in points, paired over seeds."""
        values = list(differences(self.at(self.pool).scores("A"), self.at(n).scores("A")).values())
        return interval_of(values) if values else None

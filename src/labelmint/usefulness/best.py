"""Which way is the best for these data, minting or not?

    gain(w) = mean over seeds of w_k - A_k      w: copy-paste, synthetic pairs, labels minted for a pool, consistency on
                                                it, transfer, both kinds of minting
    best    = argmax of gain(w) among the ways that were trained under the most seeds;  A itself where no gain is
              above 0

The way is named by its test figures, so its interval allows for the luck of the choice among all ways at all numbers
of pairs (`figures.interval_of`). What each way is made of was fixed, or chosen without test data, beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelmint.usefulness.figures import Interval, Worth, differences, interval_of
from labelmint.usefulness.outcome import Outcome, Point

__all__ = ["WAYS", "Rival", "best_at", "rivals_at", "tried"]

WAYS = {
    "C": "copy-paste",
    "S": "synthetic pairs",
    "ST": "labels minted for the pool",
    "FM": "consistency on the pool",
    "TR": "labelled pairs with the looks of the pool",
    "S+ST": "synthetic pairs on top of labels minted for the pool",
}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A way that may be better than arm A.

    Attributes:
        name: of the arm. dice: mean over its seeds.
        gain: over A in points, paired; its interval allows for the choice among all ways at all numbers of pairs.
        worth: the number of labelled images at which A's learning curve reaches it, and `times` that of n; None
            without a curve.
        closed: the share of the headroom that the gain closes; None without headroom.
    """

    name: str
    dice: float
    gain: Interval
    worth: Worth | None
    closed: float | None

    @property
    def words(self) -> str:
        """The name with its words, as in "ST (labels minted for the pool)"."""
        return f"{self.name} ({WAYS[self.name]})"


def rivals_at(point: Point, outcome: Outcome) -> tuple[Rival, ...]:
    """The ways that were trained under a seed that arm A was, in the order of `WAYS`."""
    count = tried(outcome)
    return tuple(
        _rival(name, interval_of(values, count), point, outcome) for name, values in _gains(point).items()
    )


def tried(outcome: Outcome) -> int:
    """Ways that were trained, at all numbers of pairs: of so many the best may be the luckiest."""
    return sum(len(_gains(outcome.at(n))) for n in outcome.studied)


def _gains(point: Point) -> dict[str, list[float]]:
    """Gains over arm A in points, by way and seed; of those ways that have any."""
    usual = point.scores("A")
    gains = {name: list(differences(point.scores(name), usual).values()) for name in WAYS}
    return {name: values for name, values in gains.items() if values}


def best_at(point: Point, outcome: Outcome) -> Rival | None:
    """The way with the highest mean gain; None where none is above 0, or none was trained."""
    rivals = rivals_at(point, outcome)
    most = max((one.gain.count for one in rivals), default=0)
    whole = [one for one in rivals if one.gain.count == most and one.gain.mean > 0]
    return max(whole, key=lambda one: one.gain.mean, default=None)


def _rival(name: str, gain: Interval, point: Point, outcome: Outcome) -> Rival:
    seeds = set(point.scores(name)) & set(point.scores("A"))
    reached = point.mean(name, seeds=seeds)
    assert reached is not None
    return Rival(
        name=name,
        dice=reached.mean,
        gain=gain,
        worth=outcome.worth(point, name),
        closed=outcome.closed(point, name, "A"),
    )

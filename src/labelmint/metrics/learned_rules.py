"""Rules that data keep by themselves: what N real scenes never show although chance would have shown it.

Together. With k_i objects in scene i, q_a the share of class a among all objects and p_a the share of scenes
that hold it, classes drawn independently of each other would stand together in

    e_ab = min( N p_a p_b ,  sum_i 1 - exp(-k_i (k_i - 1) q_a q_b) )

scenes; the second term knows that few objects leave few pairs, the first that a class may come in clumps.
Chance leaves out a pair with probability exp(-e_ab), so that classes a and b are "never together" when they
never were and e_ab >= max(5, ln(T / 0.05)) for the T pairs looked at: less than one false rule in 20 sets of
data.

Places. Middles of boxes on a grid of 8x8, in shares of the image, for each class and for all classes at once.
Cell j was never seen when it and its neighbors hold no middle, although objects spread evenly would have left
e_j = n |neighbors of j| / 64 of the n objects there, e_j >= max(5, ln(T / 0.05)) for T cells. A class that is
too rare for this is held to the places of all.

Counts (of each class and in total) and areas (in shares of the image) end as far beyond the largest value as
the fifth largest lies below it, and likewise at the lower end:

    low = 2 x_(1) - x_(5),   high = 2 x_(n) - x_(n-4)

so that a value that always is the same has no room, and a long tail has much. Areas are taken in logarithms
and get a further factor of 1.5 each way. Layouts that come from a grid of cells of side g have objects that
are up to a cell longer or shorter along each axis, so that areas a to b become max(sqrt(a) - g, 0)^2 to
(sqrt(b) + g)^2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import exp, inf, log, sqrt

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.metrics.coherence import Rule, Scene, SceneObject, label_of

__all__ = [
    "AreasSeen",
    "CountsSeen",
    "NeverTogether",
    "PlacesSeen",
    "expected_together",
    "learn_ranges",
    "learn_rules",
]

FEWEST_SCENES = 20
GRID = 8
_FEWEST_EXPECTED = 5.0
_FALSE_RULES = 0.05  # chance of a false rule of a kind in a set of data
_RANK = 5
_AREA_MARGIN = 1.5
_ALL = -1  # stands for all classes at once

Range = tuple[float, float]


@dataclass(frozen=True)
class NeverTogether:
    """Unordered pairs of classes, (a, b) with a < b, that no scene may hold both of."""

    pairs: frozenset[tuple[int, int]]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "classes together"

    @property
    def text(self) -> str:
        return f"Classes that the data never show together stay apart ({len(self.pairs)} pairs)."

    def check(self, scene: Scene) -> str:
        found = [pair for pair in combinations(sorted(scene.counts), 2) if pair in self.pairs]
        return ", ".join(f"{label_of(a, self.names)} with {label_of(b, self.names)}" for a, b in found)


@dataclass(frozen=True)
class CountsSeen:
    """How many objects a scene may have in total, and of each class; classes without a range may not be
    there.
    """

    total: Range
    of_class: Mapping[int, Range]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "counts"

    @property
    def text(self) -> str:
        return f"There are {_shown(self.total)} objects in total, and as many of each class as the data show."

    def check(self, scene: Scene) -> str:
        counts = scene.counts
        wrong = (
            [f"{len(scene.objects)} objects, not {_shown(self.total)}"]
            if _outside(len(scene.objects), self.total)
            else []
        )
        for class_id in sorted({*counts, *self.of_class}):
            allowed = self.of_class.get(class_id, (0, 0))
            if _outside(counts[class_id], allowed):
                wrong.append(f"{counts[class_id]} of {label_of(class_id, self.names)}, not {_shown(allowed)}")
        return ", ".join(wrong)


@dataclass(frozen=True)
class PlacesSeen:
    """Cells (8, 8) of the image, True where the middle of an object of a class may not be; `everyone` holds
    for all classes.
    """

    never: Mapping[int, npt.NDArray[np.bool_]]
    everyone: npt.NDArray[np.bool_]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "places"

    @property
    def text(self) -> str:
        return "Objects lie where the data show objects of their class, or next to it on a grid of 8x8."

    def check(self, scene: Scene) -> str:
        wrong = []
        for item in scene.objects:
            cell = _cell(item, scene.size)
            if self.everyone[cell] or (item.class_id in self.never and self.never[item.class_id][cell]):
                x, y = item.center
                wrong.append(f"{label_of(item.class_id, self.names)} at x {x:g}, y {y:g}")
        return ", ".join(wrong)


@dataclass(frozen=True)
class AreasSeen:
    """The areas that objects of a class may have, in shares of the image; classes without a range may have
    any.
    """

    of_class: Mapping[int, Range]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "areas"

    @property
    def text(self) -> str:
        return "Objects are as large as the data show them, give or take a half."

    def check(self, scene: Scene) -> str:
        pixels, wrong = scene.size[0] * scene.size[1], []
        for item in scene.objects:
            low, high = self.of_class.get(item.class_id, (0.0, inf))
            if _outside(item.area / pixels, (low, high)):
                allowed = f"{low * pixels:.0f} to {high * pixels:.0f}"
                wrong.append(f"{label_of(item.class_id, self.names)} of {item.area} pixels, not {allowed}")
        return ", ".join(wrong)


def _outside(value: float, allowed: Range) -> bool:
    return not allowed[0] <= value <= allowed[1]


def _shown(allowed: Range) -> str:
    low, high = allowed
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


# Learning ---------------------------------------------------------------------------------------------------


def learn_rules(
    scenes: Sequence[Scene], names: Mapping[int, str] | None = None, *, grain: float = 0.0
) -> tuple[Rule, ...]:
    """The rules that real scenes keep: classes together, counts, places, areas, in this order.

    Arguments:
        scenes: of real training data, at least 20; the more there are, the more rules.
        names: of class ids, for the reasons.
        grain: the side of a cell of the grid on which the layouts to be checked were drawn, in shares of the
            image's side: 1/16 for 16x16 cells; 0 where they were drawn in pixels.

    Raises InputError for fewer scenes, and for a grain out of [0, 1].
    """
    if not 0 <= grain <= 1:
        raise InputError(
            f"grain {grain:g}: expected the side of a cell in shares of the image's side, in [0, 1]"
        )
    if len(scenes) < FEWEST_SCENES:
        raise InputError(
            f"rules are learned from at least {FEWEST_SCENES} real scenes, got {len(scenes)}; label more "
            f"images"
        )
    names = names or {}
    classes = sorted({item.class_id for scene in scenes for item in scene.objects})
    return (
        NeverTogether(_never_together(scenes, classes), names),
        CountsSeen(*_counts_seen(scenes, classes), names),
        PlacesSeen(*_places_seen(scenes, classes), names),
        AreasSeen(_areas_seen(scenes, classes, grain), names),
    )


def learn_ranges(
    scenes: Sequence[Scene], names: Mapping[int, str] | None = None
) -> tuple[CountsSeen, AreasSeen]:
    """The two rules that scenes keep however few there are: counts and areas. What was seen fewer than five times
    has no range.
    """
    classes, names = sorted({item.class_id for scene in scenes for item in scene.objects}), names or {}
    return CountsSeen(*_counts_seen(scenes, classes), names), AreasSeen(
        _areas_seen(scenes, classes, 0.0), names
    )


def _needed(looked_at: int) -> float:
    """How often chance must have shown a thing, for its absence to be a rule."""
    return max(_FEWEST_EXPECTED, log(max(looked_at, 1) / _FALSE_RULES))


def expected_together(scenes: Sequence[Scene], a: int, b: int) -> float:
    """In how many scenes classes a and b would stand together were they independent: e_ab of the module's
    docstring.
    """
    counts = [scene.counts for scene in scenes]
    totals = np.array([len(scene.objects) for scene in scenes], np.float64)
    table = np.array([[count[a], count[b]] for count in counts], np.float64).reshape(-1, 2)
    share_a, share_b = table.sum(axis=0) / max(totals.sum(), 1)
    held_a, held_b = (table > 0).mean(axis=0) if len(scenes) else (0.0, 0.0)
    by_objects = float((1 - np.exp(-totals * (totals - 1) * share_a * share_b)).sum())
    return min(len(scenes) * float(held_a * held_b), by_objects)


def _never_together(scenes: Sequence[Scene], classes: Sequence[int]) -> frozenset[tuple[int, int]]:
    pairs = list(combinations(classes, 2))
    seen = {pair for scene in scenes for pair in combinations(sorted(scene.counts), 2)}
    needed = _needed(len(pairs))
    return frozenset(
        pair for pair in pairs if pair not in seen and expected_together(scenes, *pair) >= needed
    )


def _counts_seen(scenes: Sequence[Scene], classes: Sequence[int]) -> tuple[Range, dict[int, Range]]:
    counts = [scene.counts for scene in scenes]
    total = _range([float(len(scene.objects)) for scene in scenes])
    return _from_nothing(total), {
        k: _from_nothing(_range([float(count[k]) for count in counts])) for k in classes
    }


def _from_nothing(allowed: Range) -> Range:
    return max(allowed[0], 0.0), allowed[1]


def _range(values: Sequence[float]) -> Range:
    """Beyond the ends by what the fifth value lies within them; without bounds for fewer values."""
    if len(values) < _RANK:
        return -inf, inf
    ordered = sorted(values)
    return 2 * ordered[0] - ordered[_RANK - 1], 2 * ordered[-1] - ordered[-_RANK]


def _places_seen(
    scenes: Sequence[Scene], classes: Sequence[int]
) -> tuple[dict[int, npt.NDArray[np.bool_]], npt.NDArray[np.bool_]]:
    middles = {k: np.zeros((GRID, GRID), np.int64) for k in (*classes, _ALL)}
    for scene in scenes:
        for item in scene.objects:
            cell = _cell(item, scene.size)
            middles[item.class_id][cell] += 1
            middles[_ALL][cell] += 1
    needed = _needed(GRID * GRID * len(middles))
    never = {k: _never_there(grid, needed) for k, grid in middles.items()}
    everyone = never.pop(_ALL)
    return {k: grid for k, grid in never.items() if grid.any()}, everyone


def _never_there(middles: npt.NDArray[np.int64], needed: float) -> npt.NDArray[np.bool_]:
    """Cells that hold no middle and have no neighbor that does, where an even spread would have left enough
    of them.
    """
    expected = _with_neighbors(np.ones_like(middles)) * (middles.sum() / middles.size)
    never: npt.NDArray[np.bool_] = (_with_neighbors(middles) == 0) & (expected >= needed)
    return never


def _with_neighbors(grid: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each cell's sum with those around it, up to eight."""
    padded = np.pad(grid, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    total: npt.NDArray[np.int64] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def _cell(item: SceneObject, size: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the grid in which the middle of the box lies."""
    x, y = item.center
    return _place(y / size[0]), _place(x / size[1])


def _place(share: float) -> int:
    return min(max(int(share * GRID), 0), GRID - 1)


def _areas_seen(scenes: Sequence[Scene], classes: Sequence[int], grain: float) -> dict[int, Range]:
    logs: dict[int, list[float]] = {k: [] for k in classes}
    for scene in scenes:
        for item in scene.objects:
            logs[item.class_id].append(log(item.area / (scene.size[0] * scene.size[1])))
    ranges = {k: _range(values) for k, values in logs.items() if len(values) >= _RANK}
    bounds = {k: (exp(low) / _AREA_MARGIN, exp(high) * _AREA_MARGIN) for k, (low, high) in ranges.items()}
    return {
        k: (max(sqrt(low) - grain, 0) ** 2, (sqrt(high) + grain) ** 2) for k, (low, high) in bounds.items()
    }

"""Coherence: which rules a scene keeps, where a scene is the objects of one image and a rule is a sentence
about them.

The rules of the compositions in the MSGNet paper (Section 4.2, Figures 6 to 8, Appendix A.1) are written out
here; rules that data keep by themselves are learned in `learned_rules`. Objects come from wherever they can
be read: a label, or the label map that a network read from an image without seeing the label. The second is
ragged, so that

    a piece joins the largest piece that it touches when its area is at most `merge` times that piece's

until no piece joins another; with `merge` = 1 an object is a connected component of the foreground. An object
has the class of most of its pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from labelmint.datasets.canvas import DIGIT_CLASSES, PAIRS
from labelmint.datasets.objects import object_map
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = [
    "RULED_COMPOSITIONS",
    "AllowedPairs",
    "ExactCount",
    "OneInCenter",
    "Rule",
    "Scene",
    "SceneObject",
    "UpperHalf",
    "Violations",
    "composition_rules",
    "label_of",
    "scene_objects",
    "violations",
]

RULED_COMPOSITIONS = ("pairs", "three", "upper", "center")


@dataclass(frozen=True)
class SceneObject:
    """One object: class id, box x0, y0, x1, y1 in pixels (x1, y1 exclusive), and area in pixels."""

    class_id: int
    box: tuple[float, float, float, float]
    area: int

    @property
    def center(self) -> tuple[float, float]:
        """x, y of the middle of the box."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class Scene:
    """The objects of one image of size (H, W)."""

    size: tuple[int, int]
    objects: tuple[SceneObject, ...]

    @property
    def counts(self) -> Counter[int]:
        """Objects by class id."""
        return Counter(item.class_id for item in self.objects)


# Reading objects --------------------------------------------------------------------------------------------


def scene_objects(
    label_map: Array,
    instances: Array | None,
    without: Collection[int],
    smallest: int = 1,
    *,
    merge: float = 0.0,
) -> Scene:
    """The objects of a label map.

    Arguments:
        label_map: (H, W) class ids.
        instances: (H, W), 0 = none, each other value one object; where None, an object is a connected
            component of a class.
        without: class ids that have no objects: background and ignored ones.
        smallest: objects of fewer pixels are passed over.
        merge: in [0, 1], for label maps without instances that were read from images: how large a piece of
            another class may be, in proportion to the piece that it touches, to be a part of it. 0 merges
            nothing, 1 everything that touches; 0.5 mends a wavering network and still tells touching objects
            of a kind apart.

    Raises InputError for another shape, instances of another shape, and `merge` out of range.
    """
    if label_map.ndim != 2 or (instances is not None and instances.shape != label_map.shape):
        other = "" if instances is None else f" and {instances.shape}"
        raise InputError(
            f"objects are read from a label map (H, W) and instances of its shape, got "
            f"{label_map.shape}{other}"
        )
    if not 0 <= merge <= 1:
        raise InputError(f"merge {merge:g}: expected a share in [0, 1]")
    if instances is None and merge > 0:
        instances = _merged(object_map(label_map, None, without)[0], merge)
    numbered, classes = object_map(label_map, instances, without)
    size = (int(label_map.shape[0]), int(label_map.shape[1]))
    return Scene(size, tuple(item for item in _described(numbered, classes) if item.area >= smallest))


def _described(numbered: Array, classes: Sequence[int]) -> list[SceneObject]:
    """Boxes and areas of objects numbered from 1 on."""
    from scipy import ndimage

    areas = np.bincount(numbered.ravel(), minlength=len(classes) + 1)
    found = []
    for k, place in enumerate(ndimage.find_objects(numbered, len(classes)), start=1):
        rows, columns = place
        box = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        found.append(SceneObject(classes[k - 1], box, int(areas[k])))
    return found


def _merged(pieces: Array, share: float) -> Array:
    """Pieces (H, W) numbered from 1 on (0 = none), small ones joined to what they touch; numbers are those of
    some piece.
    """
    counts = np.bincount(pieces.ravel())
    areas: list[int] = counts.tolist()  # plain numbers: thousands are looked up one by one
    touching: list[set[int]] = [set() for _ in areas]
    for a, b in _touching(pieces):
        touching[a].add(b)
        touching[b].add(a)
    into = list(range(len(areas)))
    waiting = [k for k in np.argsort(counts, kind="stable").tolist() if k > 0 and touching[k]]
    joined = True
    while joined:
        joined = False
        for k in waiting:
            if not touching[k]:
                continue
            largest = max(touching[k], key=lambda other: (areas[other], -other))
            if areas[k] <= share * areas[largest]:
                _join(k, largest, areas, touching)
                into[k], joined = largest, True
    owner = np.array(into)
    while not np.array_equal(owner, owner[owner]):  # a piece that others joined may have joined another
        owner = owner[owner]
    return owner[pieces]


def _touching(pieces: Array) -> list[tuple[int, int]]:
    """Pairs of pieces that share an edge of a pixel."""
    sides = [(pieces[1:], pieces[:-1]), (pieces[:, 1:], pieces[:, :-1])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in sides])
    pairs = np.unique(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs > 0).all(axis=1)], axis=0)
    return [(int(a), int(b)) for a, b in pairs]


def _join(piece: int, into: int, areas: list[int], touching: list[set[int]]) -> None:
    """Give a piece, with all that joined it before, to one that it touches."""
    areas[into] += areas[piece]
    for other in touching[piece]:
        touching[other].discard(piece)
        if other != into:
            touching[other].add(into)
            touching[into].add(other)
    touching[piece].clear()


# Rules ------------------------------------------------------------------------------------------------------


class Rule(Protocol):
    """Something that scenes keep or break."""

    @property
    def name(self) -> str:
        """A few words, different for each rule of a set."""

    @property
    def text(self) -> str:
        """The rule as one plain sentence."""

    def check(self, scene: Scene) -> str:
        """What is wrong with a scene; empty when it keeps the rule."""


def label_of(class_id: int, names: Mapping[int, str]) -> str:
    """A class as reasons name it: its name, else its id."""
    return names.get(class_id, f"class {class_id}")


@dataclass(frozen=True)
class AllowedPairs:
    """Exactly two objects, and their classes are one of the allowed unordered pairs."""

    pairs: frozenset[frozenset[int]]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "one allowed pair"

    @property
    def text(self) -> str:
        pairs = sorted(sorted(pair) for pair in self.pairs)
        shown = (f"{{{', '.join(label_of(k, self.names) for k in pair)}}}" for pair in pairs)
        return f"There are exactly two objects, and their classes are one of the pairs {', '.join(shown)}."

    def check(self, scene: Scene) -> str:
        found = [item.class_id for item in scene.objects]
        if len(found) == 2 and frozenset(found) in self.pairs:
            return ""
        return f"found {{{', '.join(label_of(k, self.names) for k in sorted(found))}}}, no allowed pair"


@dataclass(frozen=True)
class ExactCount:
    """Exactly `count` objects."""

    count: int

    @property
    def name(self) -> str:
        return f"exactly {self.count} objects"

    @property
    def text(self) -> str:
        return f"There are exactly {self.count} objects."

    def check(self, scene: Scene) -> str:
        return (
            ""
            if len(scene.objects) == self.count
            else f"found {len(scene.objects)} objects, not {self.count}"
        )


@dataclass(frozen=True)
class UpperHalf:
    """No object reaches further below the middle of the image than `tolerance` pixels."""

    tolerance: float = 0.0
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "upper half"

    @property
    def text(self) -> str:
        allowance = f", give or take {self.tolerance:g} pixels" if self.tolerance else ""
        return f"Every object lies in the upper half of the image{allowance}."

    def check(self, scene: Scene) -> str:
        over = [(item.box[3] - scene.size[0] / 2, item) for item in scene.objects]
        low = [f"{label_of(item.class_id, self.names)} by {by:g}" for by, item in over if by > self.tolerance]
        return f"pixels below the middle: {', '.join(low)}" if low else ""


@dataclass(frozen=True)
class OneInCenter:
    """Exactly one object in the center, at most one other, and none in a corner.

    An object is where the middle of its box is. The center reaches `center` of each side of the image from
    its middle, each way; a corner takes `corner` of each side.
    """

    center: float = 1 / 6
    corner: float = 1 / 6

    @property
    def name(self) -> str:
        return "one in the center"

    @property
    def text(self) -> str:
        return "There is exactly one object in the center and at most one other, and none in a corner."

    def check(self, scene: Scene) -> str:
        height, width = scene.size
        # How far from the middle, in shares of the sides: 0 in the middle and 1/2 at the edge.
        off = [
            (abs(x / width - 0.5), abs(y / height - 0.5)) for x, y in (item.center for item in scene.objects)
        ]
        inside = sum(max(place) <= self.center for place in off)
        cornered = sum(min(place) > 0.5 - self.corner for place in off)
        wrong = [f"{inside} objects in the center"] if inside != 1 else []
        wrong += [f"{len(off) - inside} others"] if len(off) - inside > 1 else []
        wrong += [f"{cornered} in a corner"] if cornered else []
        return ", ".join(wrong)


def composition_rules(composition: str, tolerance: float = 0.0) -> tuple[Rule, ...]:
    """The rules of a composition: of digits, as `datasets.canvas` makes them, or "center", as in Figure 8.

    Arguments:
        composition: "pairs", "three", "upper" or "center".
        tolerance: pixels by which a digit of "upper" may reach below the middle; for objects read from
            images, whose edges are uncertain.
    """
    names = dict(zip(DIGIT_CLASSES.ids, DIGIT_CLASSES.names, strict=True))
    rules: dict[str, tuple[Rule, ...]] = {
        "pairs": (AllowedPairs(frozenset(frozenset((a + 1, b + 1)) for a, b in PAIRS), names),),
        "three": (ExactCount(3),),
        "upper": (ExactCount(3), UpperHalf(tolerance, names)),
        "center": (OneInCenter(),),
    }
    if composition not in rules:
        raise InputError(
            f"there are no rules for a composition {composition!r}; known: {', '.join(RULED_COMPOSITIONS)}"
        )
    return rules[composition]


# Counting ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Violations:
    """What is wrong with a set of scenes.

    Arguments:
        counts: by name of the rule, how many scenes break it.
        reasons: for each scene, "rule: what is wrong", empty when it keeps all rules.
    """

    counts: Mapping[str, int]
    reasons: tuple[tuple[str, ...], ...]

    @property
    def scenes(self) -> int:
        """How many scenes were checked."""
        return len(self.reasons)

    @property
    def broken(self) -> int:
        """How many scenes break at least one rule."""
        return sum(bool(reasons) for reasons in self.reasons)

    @property
    def rate(self) -> float:
        """The share of scenes that break a rule; NaN where there are none."""
        return self.broken / self.scenes if self.reasons else float("nan")

    def summary(self) -> dict[str, Any]:
        """The figures for a report: scenes, broken, rate (None where there are no scenes), by rule."""
        rate = self.rate if self.reasons else None
        return {"scenes": self.scenes, "broken": self.broken, "rate": rate, "by_rule": dict(self.counts)}


def violations(rules: Sequence[Rule], scenes: Sequence[Scene]) -> Violations:
    """Check each scene against each rule; raises InputError when two rules have one name."""
    counts = {rule.name: 0 for rule in rules}
    if len(counts) != len(rules):
        raise InputError(
            f"rules to count must have different names, got {', '.join(sorted(rule.name for rule in rules))}"
        )
    reasons = []
    for scene in scenes:
        wrong = {rule.name: what for rule in rules if (what := rule.check(scene))}
        for name in wrong:
            counts[name] += 1
        reasons.append(tuple(f"{name}: {what}" for name, what in wrong.items()))
    return Violations(counts, tuple(reasons))

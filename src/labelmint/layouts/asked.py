"""A description as wishes that a prior over boxes can meet: each object in a region, of sizes, and so many of a class.

    a place       one of its regions, the oftener the more of the data's objects of the class lie in it
    a size        between the two quantiles of the class's sizes that it stands for
    a relation    what is referred to is put where such an object of the data lies, the wished object near where one
                  stood in that relation to it, in the data or, where none did, anywhere
    a number      so many wishes, and at most so many of the class; "up to" one what layouts have room for

What a region can't say, "no rings on the left", is left to rejection (`layouts.described`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelmint.layouts.description import Description, Noun, Phrase
from labelmint.layouts.places import Region, centers, common, in_any, related
from labelmint.layouts.usual import Usual, sizes_of
from labelmint.layouts.wishes import Wish, Wishes
from labelmint.types import Array

__all__ = ["NEAR", "wishes_for"]

NEAR = (
    0.03,
    0.1,
    None,
)  # for `wishes_for`: what to try, one after the other, where the code of boxes is coarse
_ALIKE = 1.2  # such an object is at most as many times larger or smaller
_TRIES = 400  # of places at random, where the data have none
_UNSEEN = 0.5  # objects that count for every region, beside those of the data


@dataclass
class _Object:
    """An object that is wished for: what it is to be, where one is put, and the box that it was put at."""

    phrase: int
    noun: Noun
    region: Region
    sizes: tuple[float, float]
    box: Array | None = None


def wishes_for(
    description: Description,
    usual: Usual,
    size: tuple[int, int],
    boxed: frozenset[int],
    most_boxes: int,
    rng: np.random.Generator,
    near: float | None = NEAR[0],
) -> Wishes:
    """Wishes for one layout of a description.

    Arguments:
        size: (H, W). boxed: ids of the classes whose objects have boxes. most_boxes: of a layout.
        rng: chooses among what a description leaves open.
        near: how far from where a relation puts an object its center may lie, in widths and heights of the image; None
            leaves relations to rejection.
    """
    return _Asking(description, usual, size, boxed, most_boxes, rng, near).wishes()


class _Asking:
    def __init__(
        self,
        description: Description,
        usual: Usual,
        size: tuple[int, int],
        boxed: frozenset[int],
        most_boxes: int,
        rng: np.random.Generator,
        near: float | None,
    ) -> None:
        self.near = near
        self.description, self.usual, self.boxed, self.rng = description, usual, boxed, rng
        self.scale = np.array([size[1], size[0], size[1], size[0]], float)
        self.objects: list[_Object] = []
        self.most: dict[int, int] = {}
        # of objects beyond the least that is wished for
        self.room = max(most_boxes - sum(map(self._least, description.phrases)), 0)

    def wishes(self) -> Wishes:
        """Region and sizes of each object, and how many there may be."""
        for place, phrase in enumerate(self.description.phrases):
            for _ in range(self._number(phrase)):
                self.objects.append(self._object(place, phrase.noun))
        for phrase_of in range(len(self.description.phrases) if self.near is not None else 0):
            self._relate(phrase_of, frozenset())
        self._bound()
        found = [
            Wish(class_id=one.noun.class_id, within=one.region, least=one.sizes[0], most=one.sizes[1])
            for one in self.objects
        ]
        return Wishes(objects=tuple(found), most_of=self.most)

    def _number(self, phrase: Phrase) -> int:
        """How many objects are wished for: the least, or where all that there are have to be so, any number."""
        least, most = self._least(phrase), phrase.count.most
        free = phrase.noun.plain and phrase.relation is None
        if most is None or free:
            return least
        number = int(self.rng.integers(least, min(most, least + self.room) + 1))
        self.room -= number - least
        self.most[phrase.noun.class_id] = self.most.get(phrase.noun.class_id, 0) + number
        return number

    def _least(self, phrase: Phrase) -> int:
        """How many objects a wish is for at least; as many as are many, if no more than there may be."""
        least, most = phrase.count.least, phrase.count.most
        if phrase.count.many:
            least = max(self.usual.many(phrase.noun.class_id), least)
        return least if most is None else min(least, most)

    def _bound(self) -> None:
        """How many objects of each class there may be."""
        phrases = self.description.phrases
        drawn, self.most = self.most, {}
        for class_id in {phrase.noun.class_id for phrase in phrases}:
            if self.description.most_of(class_id) is None:
                continue
            free = [
                phrase.count.most
                for phrase in phrases
                if phrase.noun == Noun(class_id) and phrase.relation is None and phrase.count.most is not None
            ]
            self.most[class_id] = drawn.get(class_id, 0) + sum(free)
        if self.description.only:
            self.most |= dict.fromkeys(self.boxed - self.description.classes, 0)

    def _object(self, phrase: int, noun: Noun) -> _Object:
        regions, known = common(noun.places), self.usual.boxes.get(noun.class_id, np.zeros((0, 4)))
        middle = centers(known)
        weights = np.array([in_any(middle, (one,)).sum() + _UNSEEN for one in regions], float)
        region = regions[int(self.rng.choice(len(regions), p=weights / weights.sum()))]
        return _Object(phrase, noun, region, self.usual.sizes(noun.class_id, noun.size))

    # Relations ----------------------------------------------------------------------------------------------

    def _relate(self, phrase_of: int, above: frozenset[int]) -> None:
        """Put the objects of a wish with a relation, those that they refer to first."""
        phrase, own = self.description.phrases[phrase_of], [o for o in self.objects if o.phrase == phrase_of]
        if phrase.relation is None or not own or own[0].box is not None or phrase_of in above:
            return
        relation, noun = phrase.relation
        other = self._referred(phrase_of, noun)
        if other is None:
            return
        self._relate(other.phrase, above | {phrase_of})
        if other.box is None:
            self._put(other, self._anywhere(other, smallest=self._needed(relation, own[0])))
        if other.box is None:  # no such object has its center there, so this is left to rejection
            return
        for one in own:
            options = self._options(one, other.box)
            fitting = options[self._stand(relation, options, other.box)]
            if len(fitting):
                self._put(one, fitting)

    def _referred(self, phrase_of: int, noun: Noun) -> _Object | None:
        """An object that a relation is to: one that is wished for as what it says, best without a relation itself."""
        others = [
            one
            for one in self.objects
            if one.phrase != phrase_of
            and one.noun.class_id == noun.class_id
            and (noun.size is None or noun.size == one.noun.size)
            and set(noun.places) <= set(one.noun.places)
        ]
        phrases = self.description.phrases
        return min(others, key=lambda one: phrases[one.phrase].relation is not None, default=None)

    def _needed(self, relation: str, one: _Object) -> float:
        """How large something has to be for the smallest of such objects to lie in it."""
        if relation != "inside":
            return 0.0
        return 1.5 * max(one.sizes[0], float(np.min(sizes_of(self._of_data(one)), initial=1.0)))

    def _of_data(self, one: _Object) -> Array:
        """Boxes of the data of its class and sizes, (N, 4)."""
        known = self.usual.boxes.get(one.noun.class_id, np.zeros((0, 4)))
        sizes = sizes_of(known)
        found: Array = known[(sizes >= one.sizes[0]) & (sizes <= one.sizes[1])]
        return found

    def _anywhere(self, one: _Object, smallest: float = 0.0) -> Array:
        """Boxes that an object can have: those of the data, or of these moved into its region."""
        known = self._of_data(one)
        if smallest and len(known):
            known = known[sizes_of(known) >= min(smallest, float(sizes_of(known).max()))]
        inside = known[in_any(centers(known), (one.region,))]
        return inside if len(inside) else self._moved(known, one.region, one.sizes)

    def _options(self, one: _Object, other: Array) -> Array:
        """Boxes that an object can have beside another: those of the data, where enough lie so, and moved ones."""
        known = self._of_data(one)
        inside = known[in_any(centers(known), (one.region,))]
        reach = 1.5 * (other[2:] - other[:2])
        low, high = (
            np.maximum(other[:2] - reach, one.region[:2]),
            np.minimum(other[2:] + reach, one.region[2:]),
        )
        around = (*low, *high) if (low < high).all() else one.region
        fine = [inside, self._moved(known, around, one.sizes)]
        return np.concatenate([*fine, self._moved(known, one.region, one.sizes)])

    def _moved(self, known: Array, region: Region, sizes: tuple[float, float]) -> Array:
        """Boxes of the data, or squares where there are none, with their centers at random in a region."""
        x0, y0, x1, y1 = region
        middle = self.rng.uniform((x0, y0), (x1, y1), (_TRIES, 2))
        if len(known):
            chosen = known[self.rng.integers(len(known), size=_TRIES)]
            half = (chosen[:, 2:] - chosen[:, :2]) / 2
        else:
            half = np.full((_TRIES, 2), sum(sizes) / 4)
        middle = np.clip(middle, np.minimum(half, 0.5), np.maximum(1 - half, 0.5))
        moved = np.concatenate([middle - half, middle + half], axis=1)
        inside: Array = moved[in_any(middle, (region,))]
        return inside

    def _stand(self, relation: str, boxes: Array, other: Array) -> Array:
        """Which boxes stand in a relation to another."""
        found: Array = related(relation, boxes * self.scale, other[None] * self.scale)[:, 0]
        return found

    def _put(self, one: _Object, options: Array) -> None:
        """Put an object at one of some boxes."""
        if not len(options) or self.near is None:
            return
        one.box = options[int(self.rng.integers(len(options)))]
        (x, y), size = centers(one.box[None])[0], float(sizes_of(one.box[None])[0])
        x0, y0, x1, y1 = one.region
        r = self.near
        near = (max(x - r, x0), max(y - r, y0), min(x + r, x1), min(y + r, y1))
        if near[0] < near[2] and near[1] < near[3]:
            one.region = near
        alike = _ALIKE if self.near == NEAR[0] else _ALIKE**3
        least, most = max(one.sizes[0], size / alike), min(one.sizes[1], size * alike)
        if least < most:
            one.sizes = least, most

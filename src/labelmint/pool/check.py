"""Minted layouts held to what labelled ones show: what no labelled image has becomes ignore.

An object is a connected piece of a class, in labelled and minted layouts alike, at the scale of training. It is refused

    areas     where it is larger or smaller than `metrics.learned_rules` allows its class
    counts    where its class has more objects than allowed: the most doubtful ones beyond that number
    places    where it lies where labelled images show none, if whole images are trained on
    together  where its class was never seen together with another that is there: the more doubtful one of both

With `--crop` images are of many sizes: areas are counted in pixels, and counts grow with the image. The last two
rules need 20 labelled images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from labelmint.datasets.objects import object_map
from labelmint.datasets.pair import Pair
from labelmint.metrics.coherence import Scene, scene_objects
from labelmint.metrics.learned_rules import (
    FEWEST_SCENES,
    AreasSeen,
    CountsSeen,
    NeverTogether,
    PlacesSeen,
    learn_ranges,
    learn_rules,
)
from labelmint.types import Array

__all__ = ["Check", "Checked", "learn_check"]


class Checked(NamedTuple):
    """A map with what was refused: (H, W) class indices, -1 there; and how many objects, by rule."""

    ids: Array
    refused: Counter[str]


@dataclass(frozen=True)
class Check:
    """What labelled layouts show.

    Attributes:
        size: (H, W) that areas are shares of. pixels: of the largest labelled image.
        without: class indices without objects. places, together: None where they are not known.
    """

    size: tuple[int, int]
    pixels: int
    without: frozenset[int]
    counts: CountsSeen
    areas: AreasSeen
    places: PlacesSeen | None
    together: NeverTogether | None

    def __call__(self, ids: Array, sure: Array) -> Checked:
        """Hold a map to it.

        Arguments:
            ids: (H, W) class indices, -1 where ignored. sure: (H, W) probability of the class.
        """
        numbered, classes = object_map(ids, None, {-1, *self.without})
        scene = scene_objects(ids, None, {-1, *self.without})
        summed = np.bincount(numbered.ravel(), sure.ravel(), len(classes) + 1)[1:]
        trust = summed / np.maximum(np.bincount(numbered.ravel(), minlength=len(classes) + 1)[1:], 1)
        gone: dict[int, str] = {}
        for place, item in enumerate(scene.objects):
            alone = Scene(self.size, (item,))
            if self.areas.check(alone):
                gone[place] = self.areas.name
            elif self.places is not None and self.places.check(Scene(scene.size, (item,))):
                gone[place] = self.places.name
        gone |= self._too_many(scene, trust, gone)
        gone |= self._apart(scene, trust, gone)
        kept = np.array([True, *(place not in gone for place in range(len(classes)))])
        return Checked(np.where(kept[numbered], ids, -1).astype(np.int16), Counter(gone.values()))

    def _too_many(self, scene: Scene, trust: Array, gone: Collection[int]) -> dict[int, str]:
        grown = max(scene.size[0] * scene.size[1] / self.pixels, 1.0)
        found = {}
        for class_id, (_, most) in self.counts.of_class.items():
            places = [k for k, one in enumerate(scene.objects) if one.class_id == class_id and k not in gone]
            allowed = len(places) if np.isinf(most) else int(most * grown)
            found.update(
                dict.fromkeys(_most_doubtful(places, trust, len(places) - allowed), self.counts.name)
            )
        return found

    def _apart(self, scene: Scene, trust: Array, gone: Collection[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        if self.together is None:
            return found
        for pair in sorted(self.together.pairs):
            places = {
                one: [
                    k
                    for k, item in enumerate(scene.objects)
                    if item.class_id == one and k not in gone and k not in found
                ]
                for one in pair
            }
            if all(places.values()):
                doubtful = min(pair, key=lambda one: float(np.mean(trust[places[one]])))
                found.update(dict.fromkeys(places[doubtful], self.together.name))
        return found


def _most_doubtful(places: Sequence[int], trust: Array, count: int) -> list[int]:
    return sorted(places, key=lambda place: float(trust[place]))[: max(count, 0)]


def learn_check(pairs: Sequence[Pair], without: Collection[int], *, crop: bool) -> Check:
    """What labelled pairs of class indices show.

    Arguments:
        without: class indices without objects. crop: whether the pairs are of many sizes and views were cut from them.
    """
    scenes = [scene_objects(pair.ids, None, {-1, *without}) for pair in pairs]
    size = scenes[0].size
    # shares of one size, whatever the image's own
    alike = [Scene(size, scene.objects) for scene in scenes]
    counts, areas = learn_ranges(alike)
    places, together = None, None
    if len(scenes) >= FEWEST_SCENES:
        rules = learn_rules(scenes)
        together = next(rule for rule in rules if isinstance(rule, NeverTogether))
        places = None if crop else next(rule for rule in rules if isinstance(rule, PlacesSeen))
    return Check(
        size=size,
        pixels=max(scene.size[0] * scene.size[1] for scene in scenes),
        without=frozenset(without),
        counts=counts,
        areas=areas,
        places=places,
        together=together,
    )

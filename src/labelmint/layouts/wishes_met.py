"""The checker of descriptions: it reads the objects of a layout alone, the class and the box of each.

    a wish is met  <=>  as many objects are what it says as it wishes, each of them its own and no other wish's,
                        no more are what it says than its largest number and what other wishes with a largest number can
                        have of them, and where its class has a largest number there are no more objects of that class

So "two cars, two cars on the left" may be four on the left, and "some cars, two cars on the left" are two there. How
the layout was drawn plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelmint.layouts.description import Description, Noun, Phrase, within
from labelmint.layouts.places import centers, common, in_any, related
from labelmint.layouts.usual import Usual, sizes_of
from labelmint.types import Array

__all__ = ["Met", "forbidden", "wishes_met"]

_SLACK = 1e-6  # of single precision


class Met(NamedTuple):
    """The answer for each wish, in the order of `Description.wishes`."""

    wishes: tuple[bool, ...]

    @property
    def all(self) -> bool:
        return all(self.wishes)


def wishes_met(description: Description, objects: Array, size: tuple[int, int], usual: Usual) -> Met:
    """The wishes of a description that a layout meets.

    Arguments:
        objects: (N, 5), the class id of each, and its box x0, y0, x1, y1 in widths and heights of the image.
        size: (H, W) of the image, for relations, which are measured in pixels.
        usual: the data's objects, for sizes and for "many".
    """
    reader = _Reader(objects, size, usual)
    fitting = [reader.fits(phrase) for phrase in description.phrases]
    least = [reader.least(phrase) for phrase in description.phrases]
    matched = _matched(fitting, least)
    met = []
    for place, phrase in enumerate(description.phrases):
        of_class = objects[:, 0] == phrase.noun.class_id
        if phrase.count.most == 0:
            met.append(not fitting[place].any())
            continue
        most = description.most_of(phrase.noun.class_id)
        enough = len(matched[place]) >= least[place]
        few = _beyond(description.phrases, fitting, place) <= 0
        met.append(enough and few and (most is None or int(of_class.sum()) <= most))
    if description.only:
        met.append(bool(np.isin(objects[:, 0], sorted(description.classes)).all()))
    return Met(tuple(met))


def forbidden(description: Description, objects: Array, size: tuple[int, int], usual: Usual) -> Array:
    """Which objects (N, 5) are such as a description wishes none of, or no more of, (N,); of these the last that no
    wish needs.
    """
    reader, found = _Reader(objects, size, usual), np.zeros(len(objects), bool)
    for phrase in description.phrases:
        if phrase.count.most == 0:
            found |= reader.fits(phrase)
    phrases = description.phrases
    fitting = [reader.fits(phrase) & ~found for phrase in phrases]
    needed = np.concatenate(_matched(fitting, [reader.least(phrase) for phrase in phrases]))
    spare = ~np.isin(np.arange(len(objects)), needed)
    for place, phrase in enumerate(phrases):
        beyond = _beyond(phrases, [one & ~found for one in fitting], place)
        if beyond > 0 and description.most_of(phrase.noun.class_id) is None:
            found[np.flatnonzero(fitting[place] & spare & ~found)[-beyond:]] = True
    return found


class _Reader:
    def __init__(self, objects: Array, size: tuple[int, int], usual: Usual) -> None:
        self.objects, self.usual = objects, usual
        self.pixels = objects[:, 1:] * np.array([size[1], size[0], size[1], size[0]])

    def least(self, phrase: Phrase) -> int:
        """How many objects a wish is for, at least."""
        if not phrase.count.many:
            return phrase.count.least
        return max(self.usual.many(phrase.noun.class_id), phrase.count.least)

    def are(self, noun: Noun) -> Array:
        """Which objects are what a noun says, (N,)."""
        boxes, (least, most) = self.objects[:, 1:], self.usual.sizes(noun.class_id, noun.size)
        sizes = sizes_of(boxes)
        found: Array = (self.objects[:, 0] == noun.class_id) & in_any(centers(boxes), common(noun.places))
        return found & (sizes >= least - _SLACK) & (sizes <= most + _SLACK)

    def fits(self, phrase: Phrase) -> Array:
        """Which objects are what a wish says, (N,)."""
        found = self.are(phrase.noun)
        if phrase.relation is None:
            return found
        relation, other = phrase.relation
        beside = related(relation, self.pixels, self.pixels) & self.are(other)[None]
        np.fill_diagonal(beside, False)
        return found & beside.any(axis=1)


def _matched(fitting: Sequence[Array], wished: Sequence[int]) -> list[Array]:
    """Objects that are matched with each wish, none with two: as many as can be, up to the number wished."""
    owners = [
        place for place, count in enumerate(wished) for _ in range(min(count, int(fitting[place].sum())))
    ]
    if not owners:
        return [np.zeros(0, int) for _ in fitting]
    from scipy.sparse import csr_array  # slow to import, and most runs do without
    from scipy.sparse.csgraph import maximum_bipartite_matching

    found = maximum_bipartite_matching(
        csr_array(np.stack([fitting[place] for place in owners])), perm_type="column"
    )
    owner = np.array(owners)
    return [found[(owner == place) & (found >= 0)] for place in range(len(fitting))]


def _beyond(phrases: Sequence[Phrase], fitting: Sequence[Array], place: int) -> int:
    """How many more objects are what a wish says than there may be; 0 or less where that is as wished."""
    own = phrases[place]
    most = own.count.most
    if most is None or any(one.count.most is None and _of(one, own) for one in phrases):
        return 0
    others = [
        (fits & fitting[place], one.count.most)
        for one, fits in zip(phrases, fitting, strict=True)
        if one is not own and one.count.most
    ]
    theirs = _matched([fits for fits, _ in others], [count for _, count in others])
    return int(fitting[place].sum()) - sum(map(len, theirs)) - most


def _of(one: Phrase, other: Phrase) -> bool:
    """True if all that one wish says is what the other says."""
    return within(one.noun, other.noun) and other.relation in (None, one.relation)

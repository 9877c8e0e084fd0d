"""What a sentence wishes of a layout: objects of some classes, how many, of what size, where, and beside what.

    "three red blood cells and one ring in the upper left"
    exactly 3 red blood cells; exactly 1 ring in the upper left

A wish with a number counts objects that are all it says. Wishes of one class add up: "a car on the left and a car on
the right" are two. Where all wishes of a class have a largest number, there are no further objects of it: "three cars"
are three. "Some", "many" and "at least" leave that open. A full stop ends what adds up: "two cars. One car on the
left." are two (`layouts.statements`). What no wish names is left to the data; after "only" and "nothing else" there is
none of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from labelmint.errors import InputError
from labelmint.layouts.lexicon import Lexicon, in_quotes
from labelmint.layouts.places import SIZES, common

__all__ = ["Count", "Description", "Noun", "Phrase", "refuse_impossible", "within"]


@dataclass(frozen=True)
class Count:
    """How many: from `least` to `most`, both included; no end where `most` is None. With `many` as many as a quarter of
    the data's layouts with the class have, or more.
    """

    least: int
    most: int | None
    many: bool = False

    def __and__(self, other: Count) -> Count | None:
        """Both at once; None where nothing is both."""
        least = max(self.least, other.least)
        ends = [end for end in (self.most, other.most) if end is not None]
        if ends and min(ends) < least:
            return None
        return Count(least, min(ends) if ends else None, self.many or other.many)

    def __str__(self) -> str:
        if self.many:
            return "many"
        if self.most == 0:
            return "no"
        if self.most is None:
            return f"at least {self.least}" if self.least else "any number of"
        if self.least == self.most:
            return f"exactly {self.least}"
        return f"{self.least} to {self.most}" if self.least else f"at most {self.most}"


@dataclass(frozen=True)
class Noun:
    """Objects of a class, of a size, in places: all of which they are in, as `layouts.places` has them."""

    class_id: int
    size: str | None = None
    places: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """True without a size and a place."""
        return self.size is None and not self.places


@dataclass(frozen=True)
class Phrase:
    """One wish.

    Attributes:
        count: of objects that are `noun` and stand in the `relation`.
        relation: its name, and what the objects stand in it to: any one that is so, apart from themselves; or None.
    """

    noun: Noun
    count: Count
    relation: tuple[str, Noun] | None = None

    @property
    def key(self) -> tuple[Noun, tuple[str, Noun] | None]:
        """All but the number."""
        return self.noun, self.relation


@dataclass(frozen=True)
class Description:
    """A sentence, understood.

    Attributes:
        text: the sentence. phrases: its wishes, in order. only: True where there is nothing else.
    """

    text: str
    phrases: tuple[Phrase, ...]
    only: bool
    lexicon: Lexicon

    @property
    def classes(self) -> frozenset[int]:
        """Ids of the classes that some wish names."""
        named = {phrase.noun.class_id for phrase in self.phrases}
        return frozenset(named | {phrase.relation[1].class_id for phrase in self.phrases if phrase.relation})

    def wishes(self) -> list[str]:
        """Each wish in words, and "nothing else" last where that is one."""
        return [self.in_words(phrase) for phrase in self.phrases] + (["nothing else"] if self.only else [])

    def __str__(self) -> str:
        return "; ".join(self.wishes())

    def in_words(self, phrase: Phrase) -> str:
        """A wish in words."""
        number = phrase.count.least if phrase.count.most is None else phrase.count.most
        said = f"{phrase.count} {self._noun(phrase.noun, number)}"
        if phrase.relation is None:
            return said
        relation, other = phrase.relation
        name = self._noun(other, 1)
        return f"{said} {relation} {'an' if name[0] in 'aeiou' else 'a'} {name}"

    def _noun(self, noun: Noun, number: int | None) -> str:
        name = self.lexicon.of(noun.class_id, number)
        return " ".join([*([noun.size] if noun.size else []), name, *map(_placed, noun.places)])

    def most_of(self, class_id: int) -> int | None:
        """How many objects of a class there may be at most; None where that is open."""
        own = [phrase for phrase in self.phrases if phrase.noun.class_id == class_id]
        wished = [phrase.count.most for phrase in own if phrase.count.most != 0]
        if not wished:
            return 0 if any(phrase.noun.plain and phrase.relation is None for phrase in own) else None
        return None if None in wished else sum(most for most in wished if most is not None)

    def least_of(self, class_id: int) -> int:
        """How many objects of a class there are at least."""
        return sum(phrase.count.least for phrase in self.phrases if phrase.noun.class_id == class_id)


def _placed(place: str) -> str:
    if place in ("edge", "corner"):
        return f"in a {place}" if place == "corner" else "at an edge"
    near = place.endswith("edge") or place in ("top", "bottom")
    return f"{'at' if near else 'on' if place in ('left', 'right') else 'in'} the {place}"


# What can't be ----------------------------------------------------------------------------------------------


def refuse_impossible(description: Description, boxed: Collection[int], most_boxes: int) -> None:
    """Raise InputError, one line, for a description that no layout meets.

    Arguments:
        boxed: ids of the classes whose objects have boxes. most_boxes: of a layout.
    """
    lexicon = description.lexicon
    for class_id in sorted(description.classes - set(boxed)):
        having = ", ".join(lexicon.classes.name_of(one) for one in sorted(boxed))
        raise InputError(
            f"{in_quotes(description.text)}: objects of {lexicon.classes.name_of(class_id)!r} have no boxes here; "
            f"those that have: {having}"
        )
    for problem in _contradictions(description):
        raise InputError(f"{in_quotes(description.text)}: {problem}")
    least = sum(description.least_of(class_id) for class_id in description.classes)
    if least > most_boxes:
        raise InputError(
            f"{in_quotes(description.text)}: asks for at least {least} boxes, and layouts have at most {most_boxes} "
            f"here"
        )


def _contradictions(description: Description) -> Iterator[str]:
    words = description.in_words
    for phrase in description.phrases:
        for noun in (phrase.noun, *([phrase.relation[1]] if phrase.relation else [])):
            if not common(noun.places):
                name = description.lexicon.of(noun.class_id, 1)
                yield f"no {name} can be {' and '.join(map(_placed, noun.places))}"
    excluded = [
        phrase for phrase in description.phrases if phrase.count.most == 0 and phrase.relation is None
    ]
    for none in excluded:
        for phrase in description.phrases:
            if phrase.count.least and within(phrase.noun, none.noun):
                yield f"wishes {words(none)}, and {words(phrase)}"
            other = phrase.relation[1] if phrase.relation else None
            if phrase.count.least and other is not None and within(other, none.noun):
                yield f"wishes {words(none)}, and {words(phrase)}"
    for class_id in sorted(description.classes):
        most, least = description.most_of(class_id), description.least_of(class_id)
        if most is not None and most < least:
            yield f"wishes both at least {least} and at most {most} {description.lexicon.of(class_id, most)}"


def within(noun: Noun, other: Noun) -> bool:
    """True if all that is `noun` is `other`."""
    (least, most), (low, high) = (SIZES.get(one.size or "", (0.0, 1.0)) for one in (noun, other))
    if noun.class_id != other.class_id or least < low or most > high:
        return False
    inner, outer = common(noun.places), common(other.places)
    return all(
        any(o[0] <= i[0] and o[1] <= i[1] and i[2] <= o[2] and i[3] <= o[3] for o in outer) for i in inner
    )

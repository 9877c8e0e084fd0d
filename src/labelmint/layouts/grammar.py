"""A small grammar of plain English: a sentence read into a `Description`, without a network or weights.

    sentence   = part {("," | "and" | "with" | "but" | ".") part} ["and nothing else"]
    part       = [place] ["only"] wish
    wish       = [number] [size] class {place | relation wish}
    number     = "a" | "no" | "three" | "12" | "at least two" | "between two and four" | "about ten" | "many" ...
    size       = "tiny" | "small" | "medium" | "large" | "huge"
    place      = "on the left" | "in the upper left corner" | "in the center" | "at the edge" | "in the lower half" ...
    relation   = "above" | "below" | "left of" | "right of" | "next to" | "inside"

A place or a relation is of the wish before it; a place in front is of all wishes that follow it, up to the next. What
a relation names is wished for, too, unless other words of the sentence do. A word that is none of these is refused,
with the known one that is written most like it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from labelmint.errors import InputError, nearest
from labelmint.layouts.description import Count, Description, Noun, Phrase
from labelmint.layouts.lexicon import Lexicon
from labelmint.layouts.numerals import NUMERALS, Numeral, counted
from labelmint.layouts.words import (
    ARTICLES,
    BREAKS,
    FILLERS,
    IMAGE,
    JOINS,
    LEADING,
    ONLY,
    PLACES,
    PREPOSITIONS,
    RELATION_WORDS,
    SIZE_WORDS,
    place_named,
)

__all__ = ["understood"]

_LONGEST = 2000
_DEEPEST = 16  # relations of what relations name
_MOST_WORDS = 6  # of a group of words, as in "to the left hand side of"
_NO_RELATIONS = ("of", "on", "at", "from", "between", "among", "around", "behind", "front", "along", "than")
_OF_SEVERAL = ("all", "each", "both", "all of them", "both of them", "each of them")
_LISTED = 20  # classes that an error names


def understood(text: str, lexicon: Lexicon) -> Description:
    """What a sentence wishes of a layout; raises InputError, one line, for words that it does not know, and where it
    makes no sense.
    """
    return _Reader(text, lexicon).description()


def _tokens(text: str) -> list[str]:
    """Words in lower case and signs that part them; raises InputError for any other sign."""
    if len(text) > _LONGEST:
        raise InputError(f"a description of {len(text)} characters; expected at most {_LONGEST}")
    odd = re.search(r"(?:^|(?<=[\s,(]))-\d+|\d+\.\d+", text)
    if odd is not None:
        raise InputError(f"{text!r}: {odd[0]!r} is no number of objects; expected a whole number from 0")
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    plain = re.sub(r"(\d)\s*[-–]\s*(\d)", r"\1 to \2", plain)
    plain = re.sub(r"(?<=\w)['’]s\b", "", plain)
    plain = re.sub(r"\bhalf a dozen\b", "six", plain, flags=re.IGNORECASE)  # "half" begins places, too
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", plain)
    found = re.findall(r"[^\W_]+|[^\s\w\-–—/'’\"“”()_]", plain)
    for sign in found:
        if not sign[0].isalnum() and sign not in BREAKS:
            raise InputError(f"{text!r}: {sign!r} is not understood; describe the layout in plain words")
    return [sign.lower() for sign in found]


class _Reader:
    """Reads a sentence from left to right."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon
        self.words, self.here = _tokens(text), 0
        self.stated: list[Phrase] = []
        self.referred: list[tuple[Phrase, tuple[str, Noun]]] = []
        self.bare: set[int] = set()  # which of those stated have no number
        self.only, self.front = False, tuple[str, ...]()
        self.depth = 0  # of relations

    def description(self) -> Description:
        """All of it."""
        while self.here < len(self.words):
            self._part()
        if not self.stated:
            what = "is empty" if not self.words else "names no class"
            raise InputError(
                f"the description {self.text!r} {what} (an empty wish); say what there is to be, as in "
                f"'two {self.lexicon.of(self.lexicon.classes.ids[-1], 2)} on the left'"
            )
        return Description(self.text, tuple(self._merged()), self.only, self.lexicon)

    def _part(self) -> None:
        if self.take(BREAKS):
            self.front = self.front if self.words[self.here - 1] == "," else ()
        elif (word := self.take(ONLY)) is not None:
            self.only = True
            if self._place_ahead():
                raise self._error(
                    f"{word!r} is not understood of a place; say where each class is, and where none is"
                )
        elif self.take(JOINS) or self._leading() or self.take(FILLERS) or self._or_none():
            pass
        elif self.stated and (word := self.take(_OF_SEVERAL)):
            self._check_several(word, self.stated[-1].count)
            place = self._place()
            if place is None:
                raise self._unknown(of_classes=False)
            self._placed(place)
        elif (place := self._place()) is not None:
            self._placed(place)
        else:
            self._wish()

    def _leading(self) -> bool:
        """ "a picture of", unless a picture is what is wished for."""
        start, taken = self.here, self.take(LEADING)
        if taken is not None and self.lexicon.at(self.words, self.here - 1) is not None:
            self.here, taken = start, None
        return taken is not None

    def _or_none(self) -> bool:
        """ "no cars or trees": what follows is not there either."""
        if self.word() not in ("or", "nor"):
            return False
        listed = next((k for k, one in reversed([*enumerate(self.stated)]) if k not in self.bare), None)
        if listed is None or self.stated[listed].count.most != 0:
            return False
        for place in range(listed + 1, len(self.stated)):  # "no cars, trees or poles"
            self.stated[place] = replace(self.stated[place], count=Count(0, 0))
        self.words[self.here] = "no"
        if self.word(1) in ("any", "a", "an", "no"):
            del self.words[self.here + 1]
        return True

    def _placed(self, place: str) -> None:
        """A place at the beginning of a part: of what follows, or else of the wish before."""
        after = self.here
        while self.take((",", *FILLERS)):
            pass
        if self._noun_ahead():
            self.front = (place,)
            return
        self.here = after
        if not self.stated:
            raise self._error(f"nothing is said to be there: {place!r}; name a class")
        last = self.stated[-1]
        noun = Noun(last.noun.class_id, last.noun.size, (*last.noun.places, place))
        self.stated[-1] = Phrase(noun, last.count, last.relation)

    # Wishes -------------------------------------------------------------------------------------------------

    def _wish(self) -> None:
        start = self.here
        noun, count, relation = self._noun_phrase(self.front)
        if counted(self.words, start) is None:
            self.bare.add(len(self.stated))
        self.stated.append(Phrase(noun, count, relation))

    def _noun_phrase(self, front: tuple[str, ...] = ()) -> tuple[Noun, Count, tuple[str, Noun] | None]:
        """A number, a size, a class, and what follows it."""
        count = self._count()
        sizes = self._sizes()
        class_id, plural = self._class()
        if count is None:
            count = Count(2, None) if plural else Count(1, 1)
        if len(set(sizes)) > 1:
            raise self._error(
                f"no {self.lexicon.of(class_id, 1)} is both {' and '.join(dict.fromkeys(sizes))}"
            )
        places, relation = self._after(count)
        noun = Noun(class_id, sizes[0] if sizes else None, places or front)
        return noun, count, relation

    def _after(self, count: Count) -> tuple[tuple[str, ...], tuple[str, Noun] | None]:
        """Places and a relation behind a class."""
        places: tuple[str, ...] = ()
        while True:
            start = self.here
            while word := self.take(
                ("that", "which", "is", "are", *_OF_SEVERAL, "located", "placed", "somewhere")
            ):
                if word in _OF_SEVERAL:
                    self._check_several(word, count)
            if (place := self._place()) is not None:
                places = (*places, place) if place not in places else places
            elif (relation := self._relation()) is not None:
                return places, relation
            else:
                self.here = start
                return places, None

    def _check_several(self, word: str, count: Count) -> None:
        """Raise InputError for "both" of one object: it is meant of several wishes."""
        if count.most == 1:
            raise self._error(f"{word!r} is not understood of several wishes at once; say the place of each")

    def _count(self) -> Count | None:
        """A number, if one stands here."""
        found: Numeral | None = counted(self.words, self.here)
        if found is None:
            self.take(("the", "any"))
            found = counted(self.words, self.here)
        if found is None:
            return None
        taken = " ".join(self.words[self.here : self.here + found.words])
        if found.most is not None and found.most < found.least:
            raise self._error(f"{taken!r} is no number; expected the smaller one first")
        self.here += found.words
        return Count(found.least, found.most, found.many)

    def _sizes(self) -> list[str]:
        sizes: list[str] = []
        while True:
            named = self.lexicon.at(self.words, self.here)
            if named is not None and named[1] > 1:  # "large vehicle" is a class
                return sizes
            word = self.take(SIZE_WORDS)
            if word is None:
                return sizes
            sizes.append(SIZE_WORDS[word])
            self.take(("sized", "size"))

    def _class(self) -> tuple[int, bool]:
        found = self.lexicon.at(self.words, self.here)
        if found is None and self.stated:
            before = self.words[self.here - 1]
            if before in SIZE_WORDS and (word := self.take(("one", "ones"))):  # "a large one"
                self._check_another(f"{before} {word}", self.stated[-1])
                return self.stated[-1].noun.class_id, word == "ones"
            if before in ("one", "another") and self.stated[-1].noun.places and self._place_ahead():
                return self.stated[-1].noun.class_id, False  # "one on the right"
        if found is None:
            raise self._unknown(of_classes=True)
        (class_id, plural), count = found
        self.here += count
        return class_id, plural

    def _check_another(self, said: str, before: Phrase) -> None:
        """Raise InputError where "a large one" may be one of the objects wished for before it."""
        if before.noun.size is None and before.count.most != 1:
            several = self.lexicon.of(before.noun.class_id, 2)
            raise self._error(
                f"is the {said!r} one of the {several} before it? say how many {several} of each size"
            )

    def _relation(self) -> tuple[str, Noun] | None:
        """A relation and what it names, which is kept in `referred`."""
        start, known = self.here, self.here > 0
        word = self.take(RELATION_WORDS)
        if word is None or not known:
            self.here = start
            return None
        name = RELATION_WORDS[word]
        definite = self.take(("the", "any")) is not None
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} relations hang on one another; wish for less at once")
        noun, count, relation = self._noun_phrase()
        self.depth -= 1
        if (definite and count.least == count.most == 1) or count.most is None:
            count = Count(max(count.least, 1) if not definite else 1, None)
        if count.most == 0:
            raise self._error(
                f"{name!r} needs something that is there, and {self.lexicon.of(noun.class_id, 2)} are not"
            )
        link = (name, noun)
        self.referred.append((Phrase(noun, count, relation), link))
        return link

    def _merged(self) -> Iterable[Phrase]:
        """Wishes of the same as one, and those for what relations name, unless other wishes are for it."""
        merged: dict[tuple[Noun, tuple[str, Noun] | None], Phrase] = {}
        for phrase in self.stated:
            before = merged.get(phrase.key)
            both = phrase.count if before is None else before.count & phrase.count
            if before is not None and before.count == phrase.count:
                said = Description(self.text, (phrase,), False, self.lexicon)
                raise self._error(f"says {said} twice; give one number of all")
            if both is None:
                assert before is not None
                words = Description(self.text, (before, phrase), False, self.lexicon).wishes()
                raise self._error(f"wishes both {words[0]} and {words[1]}")
            merged[phrase.key] = Phrase(phrase.noun, both, phrase.relation)
        for phrase, link in self.referred:
            same = [one for one in self.stated if one.noun.class_id == phrase.noun.class_id]
            others = [one for one in same if one.relation != link and one.count.most != 0]
            if phrase.relation is None and (
                phrase.key in merged or (phrase.noun.plain and others)
            ):  # it is spoken of already
                continue
            merged.setdefault(phrase.key, phrase)
        return merged.values()

    # Places -------------------------------------------------------------------------------------------------

    def _place(self) -> str | None:
        """A place, if one stands here."""
        start = self.here
        self.take(PREPOSITIONS)
        self.take(ARTICLES)
        named = self.lexicon.at(self.words, self.here)
        said = self._place_words()
        if not said or (named is not None and named[1] >= len(said)):
            self.here = start
            return None
        if self.word() == "of" and not self._of_image():
            self.here = start  # "left of a car"
            return None
        place = place_named(said)
        if place is None:
            raise self._error(
                f"{' '.join(said)!r} is no place; places are, for example, left, upper right, lower left "
                f"corner, center, top edge, right half"
            )
        return place

    def _place_words(self) -> list[str]:
        said = []
        while (word := self.word()) in PLACES:
            said.append(word)
            self.here += 1
            if self.word() == "of" and self.word(1) == "the" and self.word(2) in PLACES:
                self.here += 2  # "the middle of the left side"
        return said

    def _of_image(self) -> bool:
        start = self.here
        self.here += 1
        self.take(("the", "this", "an", "a"))
        if self.take(IMAGE):
            return True
        self.here = start
        return False

    # Words --------------------------------------------------------------------------------------------------

    def word(self, ahead: int = 0) -> str:
        """The word here, or some words ahead; empty behind the end."""
        place = self.here + ahead
        return self.words[place] if place < len(self.words) else ""

    def take(self, options: Collection[str]) -> str | None:
        """Go past one of some words or groups of words, the longest that stands here, and return it."""
        for count in range(min(_MOST_WORDS, len(self.words) - self.here), 0, -1):
            option = " ".join(self.words[self.here : self.here + count])
            if option in options:
                self.here += count
                return option
        return None

    def _noun_ahead(self) -> bool:
        here, word = self.lexicon.at(self.words, self.here), self.word()
        return (
            here is not None
            or word in SIZE_WORDS
            or counted(self.words, self.here) is not None
            or word == "the"
        )

    def _place_ahead(self) -> bool:
        start = self.here
        found = self._place() is not None
        self.here = start
        return found

    def _error(self, what: str) -> InputError:
        return InputError(f"{self.text!r}: {what}")

    def _unknown(self, *, of_classes: bool) -> InputError:
        word, names = self.word(), [info.name for info in self.lexicon.classes.classes]
        shown = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        if not word or word in BREAKS:
            before = " ".join(self.words[max(self.here - 2, 0) : self.here])
            return self._error(f"expected a class after {before!r}; classes: {shown}")
        if word in _NO_RELATIONS:
            relations = ", ".join(dict.fromkeys(RELATION_WORDS.values()))
            return self._error(
                f"{word!r} is not understood here; relations are {relations}; classes: {shown}"
            )
        known = [*self.lexicon.vocabulary, *SIZE_WORDS, *RELATION_WORDS, *PLACES, *NUMERALS]
        names_alone = [*self.lexicon.vocabulary]
        near = nearest(word, names_alone, 0.6) or nearest(word, known, 0.6) or nearest(word, names_alone)
        hint = f"did you mean {near!r}? " if near and near != word else ""
        return self._error(f"{word!r} is not understood here; {hint}classes: {shown}")

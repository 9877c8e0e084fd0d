"""A small grammar of plain English: a sentence read into a `Description`, without a network or weights.

    sentence   = part {("," | "and" | "with" | "but" | ".") part} ["and nothing else"]
    part       = [place] ["only"] wish
    wish       = [number] [size] class {place | relation wish}
    number     = "a" | "no" | "three" | "12" | "at least two" | "between two and four" | "about ten" | "many" ...
    size       = "tiny" | "small" | "medium" | "large" | "huge"
    place      = "on the left" | "in the upper left corner" | "in the center" | "at the edge" | "in the lower half" ...
    relation   = "above" | "below" | "left of" | "right of" | "next to" | "inside"

A place or a relation is of the wish before it; a place in front is of all wishes that follow it, up to the next, but
for those with a place of their own that are not the first. What a relation names is wished for, too, unless other words
of the sentence do, or wish for nothing there. A full stop ends a statement (`layouts.statements`). A word that is none
of these is refused, with the known one that is written most like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labelmint.errors import InputError
from labelmint.layouts.description import Count, Description, Noun, Phrase
from labelmint.layouts.lexicon import Lexicon, in_quotes
from labelmint.layouts.numerals import NUMERALS
from labelmint.layouts.sentence import Sentence
from labelmint.layouts.statements import Stated, together
from labelmint.layouts.words import (
    BREAKS,
    FILLERS,
    JOINS,
    LEADING,
    ONLY,
    RELATION_WORDS,
    SIZE_WORDS,
    STOPS,
    WHOLE,
)

__all__ = ["understood"]

_DEEPEST = 16  # relations of what relations name
_OF_SEVERAL = ("all", "each", "both", "all of them", "both of them", "each of them")
_VERBS = (
    "that",
    "which",
    "that are",
    "which are",
    "is",
    "are",
    *_OF_SEVERAL,
    "located",
    "placed",
    "somewhere",
)
_OF_THEM = tuple(
    f"of {one}{verb}" for one in ("them", "these", "those", "which") for verb in ("", " is", " are")
)


def understood(text: str, lexicon: Lexicon) -> Description:
    """What a sentence wishes of a layout; raises InputError, one line, for words that it does not know, and where it
    makes no sense.
    """
    return _Reader(text, lexicon).description()


class _Reader(Sentence):
    """Reads a sentence from left to right."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        super().__init__(text, lexicon)
        self.stated: list[Stated] = []
        self.referred: list[tuple[Phrase, tuple[str, Noun]]] = []
        self.only, self.statement, self.end = False, 0, 0  # the place behind the last wish
        # A place in front, and whether no wish has come since.
        self.front, self.first = tuple[str, ...](), False
        self.depth = 0  # of relations

    def description(self) -> Description:
        """All of it."""
        while self.here < len(self.words):
            self._part()
        if not self.stated:
            what = "is empty" if not self.words else "names no class"
            raise InputError(
                f"the description {in_quotes(self.text)} {what} (an empty wish); say what there is to be, as in "
                f"'two {self.lexicon.of(self.lexicon.classes.ids[-1], 2)} on the left'"
            )
        phrases = together(self.text, self.lexicon, self.stated, self.referred)
        return Description(self.text, tuple(phrases), self.only, self.lexicon)

    def _part(self) -> None:
        if sign := self.take(BREAKS):
            self.front = self.front if sign == "," else ()
            self.statement += sign in STOPS
        elif (word := self.take(ONLY)) is not None:
            # "two cars and only one tree" may stand beside others
            self.only |= not self.stated or self.numeral() is None
            if self.place_ahead():
                raise self.error(
                    f"{word!r} is not understood of a place; say where each class is, and where none is"
                )
        elif self.take(JOINS) or self.passed(LEADING | WHOLE) or self.take(FILLERS) or self._or_none():
            pass
        elif self.stated and (word := self.take(_OF_SEVERAL)):
            self._check_several(word, self.stated[-1].phrase.count, self.stated[:-1])
            self.take(("is", "are"))
            if not self._places():
                raise self.unknown()
        elif not self._places():
            self._wish()

    def _or_none(self) -> bool:
        """ "no cars or trees": what follows is not there either."""
        if self.word() not in ("or", "nor"):
            return False
        listed = next((k for k, one in reversed([*enumerate(self.stated)]) if not one.bare), None)
        if listed is None or not self.stated[listed].none:
            return False
        for one in self.stated[listed:]:  # "no cars, trees or poles"
            one.phrase = replace(one.phrase, count=Count(0, 0))
            one.with_next, one.unclear = True, False
        self.words[self.here] = "no"
        if self.word(1) in ("any", "a", "an", "no"):
            del self.words[self.here + 1]
        return True

    def _places(self) -> bool:
        """A place at the beginning of a part: of what follows, or else of the wish before; False where none stands."""
        start, place = self.here, self.place()
        if place is None:
            return False
        after = self.here
        while self.take((",", ":", *FILLERS)):
            pass
        if self.noun_ahead():
            aside = [*self.words[start - 1 : start], self.word(after - self.here)] == [",", ","]
            if aside and self.stated and not self.stated[-1].phrase.noun.places:
                raise self.error(
                    f"is {place!r} the place of what stands before it, or behind it? leave out the comma between them"
                )
            self.front, self.first = (place,), True
            return True
        self.here = self.end = after
        if not self.stated:
            raise self.error(f"nothing is said to be there: {place!r}; name a class")
        last = self.stated[-1]
        noun = replace(last.phrase.noun, places=tuple(dict.fromkeys((*last.phrase.noun.places, place))))
        last.phrase = replace(last.phrase, noun=noun)
        return True

    # Wishes -------------------------------------------------------------------------------------------------

    def _wish(self) -> None:
        start, between = self.here, {*self.words[self.end : self.here]}
        one, last = self._noun_phrase(), self.stated[-1] if self.stated else None
        noun = one.phrase.noun
        if self.first or not noun.places:
            places = tuple(dict.fromkeys((*self.front, *noun.places)))
            one.phrase = replace(one.phrase, noun=replace(noun, places=places))
        if last is not None and (last.none or last.unclear) and one.bare and not one.definite:
            one.unclear = between <= {",", "and", "&"}
        if self.words[start] == "another":  # beside those before it, whatever stop is between
            same = [other for other in self.stated if other.phrase.noun.class_id == noun.class_id]
            one.statement = same[-1].statement if same else self.statement
        self.first, self.end = False, self.here
        self.stated.append(one)

    def _noun_phrase(self) -> Stated:
        """A number, a size, a class, and what follows it."""
        start = self.here
        count = self._count()
        sizes = self._sizes()
        class_id, plural, part = self._class(start)
        if len(set(sizes)) > 1:
            raise self.error(
                f"no {self.lexicon.of(class_id, 1)} is both {' and '.join(dict.fromkeys(sizes))}"
            )
        meant = count if count is not None else Count(2, None) if plural else Count(1, 1)
        places, relation = self._after(meant)
        noun = Noun(class_id, sizes[0] if sizes else None, places)
        definite = self.words[start] == "the"
        return Stated(Phrase(noun, meant, relation), self.statement, count is None, definite, part)

    def _after(self, count: Count) -> tuple[tuple[str, ...], tuple[str, Noun] | None]:
        """Places and a relation behind a class."""
        places: tuple[str, ...] = ()
        while True:
            start, whole = self.here, self.passed(WHOLE)
            while word := self.take(_VERBS):
                if word in (*_OF_SEVERAL, "are"):
                    self._check_several(word, count, () if word.startswith("each") else self.stated)
            if (place := self.place()) is not None:
                places = (*places, place) if place not in places else places
            elif (relation := self._relation(count)) is not None:
                return places, relation
            elif not whole:
                self.here = start
                return places, None

    def _check_several(self, word: str, count: Count, before: Sequence[Stated]) -> None:
        """Raise InputError for "both" of one object, and for "all" where a wish before has no place: it is meant of
        several wishes.
        """
        others = [one.phrase.noun for one in before if one.statement == self.statement and not one.none]
        alone = word == "are" or count.most != 1
        if not alone or (word.startswith(("all", "are", "each")) and not all(noun.places for noun in others)):
            raise self.error(f"{word!r} is not understood of several wishes at once; say the place of each")

    def _count(self) -> Count | None:
        """A number, if one stands here."""
        found = self.numeral()
        if found is None:
            self.take(("the", "any"))
            found = self.numeral()
        if found is None:
            return None
        taken = " ".join(self.words[self.here : self.here + found.words])
        if found.most is not None and found.most < found.least:
            below = " of at least 0" if found.most < 0 else "; expected the smaller one first"
            raise self.error(f"{taken!r} is no number{below}")
        self.here += found.words
        return Count(found.least, found.most, found.many)

    def _sizes(self) -> list[str]:
        sizes: list[str] = []
        while True:
            named = self.lexicon.at(self.words, self.here)
            if named is not None and (named[1] > 1 or not self.noun_ahead(1)):
                return sizes  # "large vehicle", or "large" alone, is a class
            word = self.take(SIZE_WORDS)
            if word is None:
                return sizes
            sizes.append(SIZE_WORDS[word])
            self.take(("sized", "size"))

    def _class(self, start: int) -> tuple[int, bool, bool]:
        """A class, whether its name is a plural, and whether it is of some of the wish before it."""
        found = self.lexicon.at(self.words, self.here)
        if found is not None:
            (class_id, plural), count = found
            self.here += count
            return class_id, plural, False
        again = self._again(start) if self.stated and self.here > start else None
        if again is None:
            raise self.unknown()
        return again

    def _again(self, start: int) -> tuple[int, bool, bool] | None:
        """The class of the wish before it: "a large one", "one on the right", "two of them"."""
        last, before = self.stated[-1], self.words[self.here - 1]
        class_id, here = last.phrase.noun.class_id, self.here
        if before in SIZE_WORDS and (word := self.take(("one", "ones"))):
            self._check_another(f"{before} {word}", last.phrase)
            return class_id, word == "ones", False
        of_them = self.take(_OF_THEM) is not None
        total = (
            last.phrase.noun.plain and last.phrase.relation is None and last.phrase.count.most not in (0, 1)
        )
        some = total and before != "another" and (of_them or self.words[start - 1] in BREAKS)
        if before.isdecimal() or before in NUMERALS:
            if some and (of_them or self.place_ahead()):
                return class_id, False, True
            if last.phrase.noun.places and self.place_ahead() and (last.part or not of_them):
                return class_id, False, last.part
        self.here = here
        return None

    def _check_another(self, said: str, before: Phrase) -> None:
        """Raise InputError where "a large one" may be one of the objects wished for before it."""
        if before.noun.size is None and before.count.most != 1:
            several = self.lexicon.of(before.noun.class_id, 2)
            raise self.error(
                f"is the {said!r} one of the {several} before it? say how many {several} of each size"
            )

    def _relation(self, of: Count) -> tuple[str, Noun] | None:
        """A relation and what it names, which is kept in `referred` unless there are to be none in that relation."""
        word = self.take(RELATION_WORDS)
        if word is None:
            return None
        name = RELATION_WORDS[word]
        definite = self.take(("the", "any")) is not None
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"more than {_DEEPEST} relations hang on one another; wish for less at once")
        other = self._noun_phrase().phrase
        noun, count = other.noun, other.count
        self.depth -= 1
        if (definite and count.least == count.most == 1) or count.most is None:
            count = Count(max(count.least, 1) if not definite else 1, None)
        if count.most == 0:
            raise self.error(
                f"{name!r} needs something that is there, and {self.lexicon.of(noun.class_id, 2)} are not"
            )
        link = (name, noun)
        if of.most != 0:
            self.referred.append((replace(other, count=count), link))
        return link

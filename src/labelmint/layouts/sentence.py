"""A sentence while it is read: what stands at a place in it, and going past that."""

from __future__ import annotations

from collections.abc import Collection

from labelmint.errors import InputError, nearest
from labelmint.layouts.lexicon import Lexicon, in_quotes, tokens_of
from labelmint.layouts.numerals import NUMERALS, Numeral, counted
from labelmint.layouts.words import (
    ARTICLES,
    BREAKS,
    IMAGE,
    NEARLY,
    PLACES,
    PREPOSITIONS,
    RELATION_WORDS,
    SIZE_WORDS,
    place_named,
)

__all__ = ["Sentence"]

_MOST_WORDS = 6  # of a group of words, as in "to the left hand side of"
_NO_RELATIONS = ("of", "on", "at", "from", "between", "among", "around", "behind", "front", "along", "than")
_LISTED = 20  # classes that an error names


class Sentence:
    """The words of a sentence, and the place in it that has been come to.

    Arguments:
        text: the sentence. lexicon: of its classes.

    Attributes:
        words: its words and signs. here: the number of the word that comes next.
    """

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon
        self.words, self.here = tokens_of(text), 0

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

    def passed(self, options: Collection[str]) -> bool:
        """Go past "a picture of" or "in the picture", unless a picture is what is wished for."""
        start, taken = self.here, self.take(options)
        if taken is not None and self.lexicon.at(self.words, self.here - 1) is not None:
            self.here, taken = start, None
        return taken is not None

    def numeral(self) -> Numeral | None:
        """A number, unless it begins the name of a class, as in "no entry"."""
        named = self.lexicon.at(self.words, self.here)
        return None if named is not None and named[1] > 1 else counted(self.words, self.here)

    def noun_ahead(self, ahead: int = 0) -> bool:
        """True if a number, a size or a class stands here, or some words ahead."""
        place, word = self.here + ahead, self.word(ahead)
        named = self.lexicon.at(self.words, place) is not None
        return named or word in SIZE_WORDS or word == "the" or counted(self.words, place) is not None

    def place_ahead(self) -> bool:
        """True if a place stands here, or behind "is"."""
        start = self.here
        self.take(("is", "are"))
        found = self.place() is not None
        self.here = start
        return found

    def error(self, what: str) -> InputError:
        """The error that says what of the sentence, in one line."""
        return InputError(f"{in_quotes(self.text)}: {what}")

    def unknown(self) -> InputError:
        """The error for the word here, with the known one that is written most like it."""
        word, names = self.word(), [info.name for info in self.lexicon.classes.classes]
        shown = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        if not word or word in BREAKS:
            before = " ".join(self.words[max(self.here - 2, 0) : self.here])
            return self.error(f"expected a class after {before!r}; classes: {shown}")
        if word in _NO_RELATIONS:
            relations = ", ".join(dict.fromkeys(RELATION_WORDS.values()))
            return self.error(f"{word!r} is not understood here; relations are {relations}; classes: {shown}")
        known = [*self.lexicon.vocabulary, *SIZE_WORDS, *RELATION_WORDS, *PLACES, *NUMERALS]
        names_alone = [*self.lexicon.vocabulary]
        near = nearest(word, names_alone, 0.6) or nearest(word, known, 0.6) or nearest(word, names_alone)
        hint = f"did you mean {near!r}? " if near and near != word else ""
        return self.error(f"{word!r} is not understood here; {hint}classes: {shown}")

    # Places -------------------------------------------------------------------------------------------------

    def place(self) -> str | None:
        """A place, if one stands here."""
        start = self.here
        if self.take(NEARLY):
            self.here = start
            return None
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
            raise self.error(
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
        if self.passed(IMAGE):
            return True
        self.here = start
        return False

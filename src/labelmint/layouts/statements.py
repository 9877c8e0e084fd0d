"""The wishes of a description put together: what several parts of it say of the same objects.

    a statement        what stands between full stops
    a total            "two cars", without a size, a place and a relation: all cars of the statements beside its own
    "the car"          what was wished for as "a car" before, which is then all that either says
    "no cars or trees on the left"
                       a place behind the last of a list is that of all

    two cars. One car on the left.      exactly 1 car; exactly 1 car on the left

So of a total remains what other statements do not count: its least and its largest number less theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from labelmint.errors import InputError
from labelmint.layouts.description import Count, Description, Noun, Phrase
from labelmint.layouts.lexicon import Lexicon, in_quotes

__all__ = ["Stated", "together"]

_Key: TypeAlias = tuple[Noun, tuple[str, Noun] | None]


@dataclass
class Stated:
    """A wish as it stands in a sentence.

    Attributes:
        statement: the number of its statement. bare: whether it has no number. definite: whether it is of "the car".
        part: whether it is of some of those before it, "two cars, one on the left". with_next: whether "or" joins it
            to the next. unclear: whether what there is none of may go on with it, "no cars and trees".
    """

    phrase: Phrase
    statement: int
    bare: bool
    definite: bool
    part: bool = False
    with_next: bool = False
    unclear: bool = False

    @property
    def none(self) -> bool:
        """True where it says that there is nothing of its kind."""
        return self.phrase.count.most == 0


def together(
    text: str, lexicon: Lexicon, stated: Sequence[Stated], referred: Iterable[tuple[Phrase, tuple[str, Noun]]]
) -> list[Phrase]:
    """Wishes of the same as one, and those for what relations name, unless other wishes are for it.

    Arguments:
        stated: in the order of the sentence. referred: what relations name, each with its relation.

    Raises InputError, one line, where it is not clear what is meant.
    """
    return _Wishes(text, lexicon).found(stated, referred)


class _Wishes:
    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon

    def found(
        self, stated: Sequence[Stated], referred: Iterable[tuple[Phrase, tuple[str, Noun]]]
    ) -> list[Phrase]:
        """All of them."""
        known = self._known(_shared(stated))
        merged = self._merged(known)
        for class_id in {key[0].class_id for key in merged}:
            self._divide(merged, known, (Noun(class_id), None))
        spoken = [*merged.values()]
        for phrase, link in referred:
            same = [one for one in spoken if one.noun.class_id == phrase.noun.class_id]
            others = [one for one in same if one.relation != link and one.count.most != 0]
            if phrase.relation is None and (
                phrase.key in merged or (phrase.noun.plain and others)
            ):  # it is spoken of already
                continue
            merged.setdefault(phrase.key, phrase)
        return [*merged.values()]

    def _known(self, stated: Sequence[Stated]) -> list[Stated]:
        """Wishes of which none is of "the car" that another is of as "a car"."""
        found = list[Stated]()
        for one in stated:
            if one.unclear:
                name = self.lexicon.of(one.phrase.noun.class_id, 2)
                raise self._error(
                    f"are there {name}, or is that a list of what there is none of? say 'some {name}', or 'or {name}'"
                )
            named = self._named(one, found) if one.definite and not one.none else None
            if named is None:
                found.append(one)
            elif (one.bare and one.phrase.count.most is None) or one.phrase.count == named.phrase.count:
                named.phrase = self._same(named.phrase, one.phrase)
            elif named.phrase.noun.plain and named.phrase.relation is None:
                found.append(replace(one, part=True))
            else:
                raise self._which(one)
        return found

    def _named(self, one: Stated, before: Sequence[Stated]) -> Stated | None:
        """The wish before it that it is of, too, if it can be of any."""
        noun = one.phrase.noun
        same = [
            other
            for other in before
            if other.phrase.noun.class_id == noun.class_id and not (other.none or other.definite)
        ]
        chosen = [other for other in same if other.phrase.noun == noun] or same
        if len(chosen) > 1:
            raise self._which(one)
        return chosen[0] if chosen else None

    def _same(self, one: Phrase, other: Phrase) -> Phrase:
        """What both say of the same objects."""
        a, b = one.noun, other.noun
        sizes, links = {a.size, b.size} - {None}, {one.relation, other.relation} - {None}
        if len(sizes) > 1 or len(links) > 1:
            raise self._error(
                f"the same {self.lexicon.of(a.class_id, one.count.least)} can't have two "
                f"{'sizes' if len(sizes) > 1 else 'relations'}; say one"
            )
        noun = Noun(a.class_id, next(iter(sizes), None), tuple(dict.fromkeys((*a.places, *b.places))))
        return Phrase(noun, one.count, next(iter(links), None))

    def _merged(self, stated: Sequence[Stated]) -> dict[_Key, Phrase]:
        """Wishes of the same as one."""
        merged: dict[_Key, Phrase] = {}
        for phrase in (one.phrase for one in stated):
            before = merged.get(phrase.key)
            both = phrase.count if before is None else before.count & phrase.count
            if before is not None and before.count == phrase.count:
                raise self._error(f"says {self._said(phrase)} twice; give one number of all")
            if both is None:
                assert before is not None
                raise self._error(f"wishes both {self._said(before)} and {self._said(phrase)}")
            merged[phrase.key] = replace(phrase, count=both)
        return merged

    def _divide(self, merged: dict[_Key, Phrase], stated: Sequence[Stated], key: _Key) -> None:
        """Take from a total what is counted elsewhere."""
        total = merged.get(key)
        if total is None or total.count.most == 0:
            return
        own = {one.statement for one in stated if one.phrase.key == key}
        parts = dict.fromkeys(
            one.phrase.key
            for one in stated
            if one.phrase.noun.class_id == total.noun.class_id
            and one.phrase.key != key
            and not one.none
            and (one.part or one.statement not in own)
        )
        for part in parts:
            total = self._less(total, merged, part)
        if total.count.most == 0:
            del merged[key]
        else:
            merged[key] = total

    def _less(self, total: Phrase, merged: dict[_Key, Phrase], key: _Key) -> Phrase:
        """A total less a part of it; of a total that ends, a part that does not is its least."""
        part, (least, most) = merged[key], (total.count.least, total.count.most)
        count = part.count
        if most is None:  # many of them are many beside others, too
            left = total.count if total.count.many else Count(max(least - count.least, 0), None)
            return replace(total, count=left)
        if count.many or (count.most is not None and count.most != count.least):
            raise self._error(
                f"how many {self.lexicon.of(total.noun.class_id, 2)} are there beside the {self._said(part)}? "
                f"give one number of these, or say all in one sentence"
            )
        if count.least > most:
            raise self._error(f"wishes both {self._said(total)} and {self._said(part)}")
        merged[key] = replace(part, count=Count(count.least, count.least))
        left = Count(max(least - count.least, 0), most - count.least, total.count.many)
        return replace(total, count=left)

    def _said(self, phrase: Phrase) -> str:
        return Description(self.text, (phrase,), False, self.lexicon).in_words(phrase)

    def _which(self, one: Stated) -> InputError:
        number = 1 if one.phrase.count.most == 1 else 2
        name = self.lexicon.of(one.phrase.noun.class_id, number)
        return self._error(
            f"which {self.lexicon.of(one.phrase.noun.class_id, 2)} are 'the {name}'? say all of them where they are "
            f"first named"
        )

    def _error(self, what: str) -> InputError:
        return InputError(f"{in_quotes(self.text)}: {what}")


def _shared(stated: Sequence[Stated]) -> list[Stated]:
    """Wishes of which those of a list have the place, or the relation, of its last."""
    found = list[Stated]()
    for one in reversed(stated):
        phrase = one.phrase
        if one.with_next and found and not phrase.noun.places and phrase.relation is None:
            last = found[0].phrase
            noun = replace(phrase.noun, places=last.noun.places)
            one = replace(one, phrase=Phrase(noun, phrase.count, last.relation))
        found.insert(0, one)
    return found

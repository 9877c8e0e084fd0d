"""Numbers in words: "three", "12", "a dozen", "at least two", "between two and four", "about ten", "some", "many"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["NUMERALS", "Numeral", "counted"]

_UNITS = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_UNITS)} | {w: 20 + 10 * k for k, w in enumerate(_TENS)}
_TIMES = {"hundred": 100, "thousand": 1000, "dozen": 12}
_MOST_DIGITS = 9
_LARGEST = 10**_MOST_DIGITS  # what is more is this
_ABOUT = 0.2  # "about ten" is from 8 to 12


class Numeral(NamedTuple):
    """A number of objects, from `least` to `most` (None: without end), and how many words say so."""

    words: int
    least: int
    most: int | None
    many: bool = False


_FIXED: tuple[tuple[str, int, int | None, bool], ...] = (
    ("a lot of", 2, None, True),
    ("lots of", 2, None, True),
    ("plenty of", 2, None, True),
    ("a large number of", 2, None, True),
    ("many", 2, None, True),
    ("numerous", 2, None, True),
    ("several", 3, None, False),
    ("a few", 2, 4, False),
    ("few", 2, 4, False),
    ("some", 2, None, False),
    ("a couple of", 2, 2, False),
    ("a pair of", 2, 2, False),
    ("a single", 1, 1, False),
    ("just one", 1, 1, False),
    ("another", 1, 1, False),
    ("single", 1, 1, False),
    ("any number of", 0, None, False),
    ("without any", 0, 0, False),
    ("without a", 0, 0, False),
    ("without an", 0, 0, False),
    ("without", 0, 0, False),
    ("not any", 0, 0, False),
    ("no", 0, 0, False),
)
_ONE = (("a", 1, 1, False), ("an", 1, 1, False))
_LEAST = ("at least", "no fewer than", "no less than", "not fewer than", "not less than", "minimum")
_MOST = ("at most", "up to", "no more than", "not more than", "maximum")
_MORE, _FEWER = ("more than", "over"), ("fewer than", "less than", "under")
_ABOUTS = ("about", "around", "approximately", "roughly", "circa", "some", "almost", "nearly")
NUMERALS = (*_VALUES, *_TIMES, *(words for words, *_ in _FIXED if " " not in words))


def counted(words: Sequence[str], place: int) -> Numeral | None:
    """The number that the words from a place on say, or None."""
    return (
        _bounded(words, place)
        or _plain(words, place)
        or _fixed(words, place, _FIXED)
        or _fixed(words, place, _ONE)
    )


def _stands(words: Sequence[str], place: int, phrase: str) -> int:
    """How many words a phrase is, where it stands at a place; else 0."""
    parts = phrase.split()
    return len(parts) if list(words[place : place + len(parts)]) == parts else 0


def _fixed(
    words: Sequence[str], place: int, phrases: Sequence[tuple[str, int, int | None, bool]]
) -> Numeral | None:
    for phrase, least, most, many in phrases:
        if length := _stands(words, place, phrase):
            of = _stands(words, place + length, "of the") if phrase.endswith(("y", "l")) else 0
            return Numeral(length + of, least, most, many)
    return None


def _bounded(words: Sequence[str], place: int) -> Numeral | None:
    """Words that make a range of a number: "at least two"."""
    if words[place : place + 1] == ["between"]:
        low = _number(words, place + 1)
        joined = low is not None and list(words[place + 1 + low[1] :][:1]) == ["and"]
        high = _number(words, place + 2 + low[1]) if low and joined else None
        return Numeral(2 + low[1] + high[1], low[0], high[0]) if low and high else None
    for phrases in (_LEAST, _MOST, _MORE, _FEWER, _ABOUTS, ("exactly", "precisely", "just")):
        for phrase in phrases:
            length = _stands(words, place, phrase)
            found = _number(words, place + length) if length else None
            if found is None:
                continue
            value, taken = found[0], length + found[1]
            if phrases is _LEAST or phrases is _MORE:
                return Numeral(taken, value + (phrases is _MORE), None)
            if phrases is _MOST:
                return Numeral(taken, 0, value)
            if phrases is _FEWER:
                return Numeral(taken, 0, value - 1)
            if phrases is _ABOUTS:
                return Numeral(taken, *_about(value))
            return Numeral(taken, value, value)
    return None


def _about(value: int) -> tuple[int, int]:
    return max(math.floor(value * (1 - _ABOUT)), min(value, 1)), math.ceil(value * (1 + _ABOUT))


def _plain(words: Sequence[str], place: int) -> Numeral | None:
    """A number, and what may follow it: "two to four", "two or three", "two or more"."""
    start = _stands(words, place, "from")
    found = _number(words, place + start)
    if found is None:
        return None
    value, length = found[0], start + found[1]
    after = place + length
    ends = {"or more": (value, None), "or fewer": (0, value), "or less": (0, value), "or so": _about(value)}
    for phrase, (least, most) in ends.items():
        if taken := _stands(words, after, phrase):
            return Numeral(length + taken, least, most)
    if after < len(words) and words[after] in ("to", "or") and (high := _number(words, after + 1)):
        return Numeral(length + 1 + high[1], value, high[0])
    return Numeral(length, value, value)


def _number(words: Sequence[str], place: int) -> tuple[int, int] | None:
    """A whole number in digits or words, and how many words it takes."""
    start, total, current = place, 0, 0
    while place < len(words):
        word = words[place]
        if word.isascii() and word.isdecimal() and place == start:
            current, place = int(word) if len(word) <= _MOST_DIGITS else _LARGEST, place + 1
        elif word in _VALUES and _fits(current, _VALUES[word], place == start):
            current, place = current + _VALUES[word], place + 1
        elif word in _TIMES:
            current, place = max(current, 1) * _TIMES[word], place + 1
            total, current = (total + current, 0) if word == "thousand" else (total, current)
        elif (
            word in ("a", "an")
            and place == start
            and words[place + 1 : place + 2]
            and words[place + 1] in _TIMES
        ):
            current, place = 1, place + 1
        elif (
            word == "and" and current >= 100 and words[place + 1 : place + 2] and words[place + 1] in _VALUES
        ):
            place += 1
        else:
            break
    if place == start:
        return None
    of = list(words[place : place + 1]) == ["of"] and words[place - 1] == "dozen"
    return min(total + current, _LARGEST), place + of - start


def _fits(current: int, value: int, first: bool) -> bool:
    """True if a number word goes on with what stands before it: "thirty five", "hundred five", never "two three"."""
    if first:
        return True
    if value < 10:
        return value > 0 and current >= 20 and current % 10 == 0
    return current >= 100 and current % 100 == 0

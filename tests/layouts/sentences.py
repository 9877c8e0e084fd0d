"""A grammar of sentences that the tests own: each comes with the wishes that it was made from.

It knows nothing of the grammar that reads them. Wishes are written as in descriptions.json.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.layouts.description import Description, Phrase
from labelmint.layouts.lexicon import Lexicon
from labelmint.types import ClassInfo, ClassSet

HAND = json.loads((Path(__file__).parent / "descriptions.json").read_text(encoding="utf-8"))
PLURALS = {
    "red blood cell": "red blood cells",
    "ring": "rings",
    "trophozoite": "trophozoites",
    "schizont": "schizonts",
    "gametocyte": "gametocytes",
    "leukocyte": "leukocytes",
    "pole": "poles",
    "tree": "trees",
    "sign": "signs",
    "fence": "fences",
    "car": "cars",
    "pedestrian": "pedestrians",
    "bicyclist": "bicyclists",
    "nucleus": "nuclei",
}
NUMBERS = {
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
    10: "ten",
    12: "twelve",
}
PLACES = {
    "on the left": "left",
    "on the right side": "right",
    "at the top": "top",
    "at the bottom of the image": "bottom",
    "in the upper left": "upper left",
    "in the top right": "upper right",
    "in the bottom left part of the picture": "lower left",
    "in the lower right corner": "lower right corner",
    "in the center": "center",
    "in the middle": "center",
    "near the edge": "edge",
    "in a corner": "corner",
    "in the lower half": "lower half",
    "in the left half of the image": "left half",
    "along the top edge": "top edge",
}
SIZES = {
    "tiny": "tiny",
    "small": "small",
    "large": "large",
    "big": "large",
    "huge": "huge",
    "medium-sized": "medium",
}
RELATIONS = {
    "above": "above",
    "below": "below",
    "to the left of": "left of",
    "right of": "right of",
    "next to": "next to",
    "beside": "next to",
}


class Sentence(NamedTuple):
    """A sentence about the classes of a set, and what it wishes."""

    of: str
    text: str
    wishes: list[dict[str, Any]]
    only: bool = False


def by_hand() -> list[Sentence]:
    """Those of descriptions.json."""
    return [Sentence(r["set"], r["sentence"], r["wishes"], r.get("only", False)) for r in HAND["sentences"]]


@functools.cache
def lexicon_of(name: str) -> Lexicon:
    """The classes of a set of descriptions.json and its synonyms."""
    found = HAND["sets"][name]
    classes = tuple(ClassInfo(id=k, name=one) for k, one in enumerate(found["classes"]))
    return Lexicon(ClassSet(classes), found["synonyms"])


def boxed_of(name: str) -> list[int]:
    """Ids of the classes of a set whose objects have boxes."""
    found = HAND["sets"][name]
    return [k for k, one in enumerate(found["classes"]) if one not in found["without boxes"]]


def wishes_of(description: Description) -> list[dict[str, Any]]:
    """What was understood, written as in descriptions.json."""
    return [_written(phrase, description.lexicon) for phrase in description.phrases]


def _written(phrase: Phrase, lexicon: Lexicon) -> dict[str, Any]:
    noun, count = phrase.noun, phrase.count
    found: dict[str, Any] = {"class": lexicon.classes.name_of(noun.class_id)}
    found["count"] = "many" if count.many else [count.least, count.most]
    found |= {"size": noun.size} if noun.size else {}
    found |= {"place": " and ".join(noun.places)} if noun.places else {}
    if phrase.relation is not None:
        found["relation"] = [phrase.relation[0], lexicon.classes.name_of(phrase.relation[1].class_id)]
    return found


def alike(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> bool:
    """Whether two lists hold the same wishes, in any order."""
    return sorted(json.dumps(w, sort_keys=True) for w in one) == sorted(
        json.dumps(w, sort_keys=True) for w in other
    )


def generated(name: str, count: int, seed: int, classes: Sequence[str] | None = None) -> list[Sentence]:
    """Sentences about some classes of a set, all that have boxes unless given."""
    rng, found = random.Random(f"{name} {seed}"), HAND["sets"][name]
    known = list(classes or [one for one in found["classes"] if one not in found["without boxes"]])
    return [_sentence(name, known, rng) for _ in range(count)]


def _sentence(name: str, known: list[str], rng: random.Random) -> Sentence:
    """One to three parts of different classes, and perhaps that there is nothing else."""
    chosen = rng.sample(known, min(rng.choice((1, 2, 2, 3)), len(known)))
    parts, wishes = list[str](), list[dict[str, Any]]()
    for one in chosen:
        others = [other for other in known if other not in chosen]
        text, wished = _part(one, others, rng)
        bare = wished[0]["count"] == [2, None] and not text.startswith(("some ", "at least "))
        if wishes and wishes[-1]["count"] == [0, 0] and bare:  # "no cars, trees" could mean two things
            text = f"some {text}"
        parts.append(text)
        wishes += wished
    text = (
        ", ".join(parts[:-1]) + rng.choice((" and ", ", ", ", and ")) + parts[-1]
        if len(parts) > 1
        else parts[0]
    )
    only = rng.random() < 0.1
    if only and rng.random() < 0.5:
        text = f"only {text}"
    elif only:
        text = f"{text} and nothing else"
    start = "" if only else rng.choice(("", "", "there are ", "a picture of ", "an image with "))
    named = {wish["class"]: wish for wish in wishes}
    twice = [wish for wish in wishes if wish is not named[wish["class"]]]
    return _sentence(name, known, rng) if twice else Sentence(name, f"{start}{text}", wishes, only)


def _part(one: str, others: list[str], rng: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """A number, a size, a class, and a place or a relation to one of the others."""
    words, count, plural = _number(rng)
    noun = PLURALS[one] if plural else one
    wish: dict[str, Any] = {"class": one, "count": count}
    if count == [0, 0]:
        return f"{words} {noun}", [wish]
    size = rng.choice([*SIZES, None, None, None, None, None, None])
    if size is not None:
        noun, wish["size"] = f"{size} {noun}", SIZES[size]
    text, kind = f"{words} {noun}".strip(), rng.random()
    if kind < 0.45:
        place = rng.choice(list(PLACES))
        return f"{text} {place}", [{**wish, "place": PLACES[place]}]
    if kind < 0.6 and others:
        relation, other = rng.choice(list(RELATIONS)), rng.choice(others)
        article = "an" if other[0] in "aeiou" else "a"
        beside = {"class": other, "count": [1, 1]}
        return f"{text} {relation} {article} {other}", [
            {**wish, "relation": [RELATIONS[relation], other]},
            beside,
        ]
    return text, [wish]


def _number(rng: random.Random) -> tuple[str, Any, bool]:
    """Words, what they mean, and whether a plural follows."""
    kind, n = rng.random(), rng.choice(list(NUMBERS))
    few = rng.choice((2, 3, 4))
    if kind < 0.3:
        return rng.choice(("a", "one", "a single", "exactly one")), [1, 1], False
    if kind < 0.65:
        return rng.choice((NUMBERS[few], str(few), f"exactly {NUMBERS[few]}")), [few, few], True
    options: list[tuple[str, Any]] = [
        ("no", [0, 0]),
        ("some", [2, None]),
        ("", [2, None]),
        ("several", [3, None]),
        ("a few", [2, 4]),
        ("many", "many"),
        (f"at least {NUMBERS[n]}", [n, None]),
        (f"at most {n}", [0, n]),
        (f"more than {NUMBERS[few]}", [few + 1, None]),
        (f"between {NUMBERS[few]} and {NUMBERS[12]}", [few, 12]),
        (f"{few} to {few + 2}", [few, few + 2]),
    ]
    return (*rng.choice(options), True)

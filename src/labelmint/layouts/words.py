"""The words of the grammar that are neither numbers nor classes: sizes, places, relations, and words without a wish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "ARTICLES",
    "BREAKS",
    "FILLERS",
    "IMAGE",
    "JOINS",
    "LEADING",
    "NEARLY",
    "ONLY",
    "PLACES",
    "PREPOSITIONS",
    "RELATION_WORDS",
    "SIZE_WORDS",
    "STOPS",
    "WHOLE",
    "place_named",
]

BREAKS = (",", ";", ".", ":", "!", "?")
STOPS = (".", "!", "?")  # which end a statement
JOINS = ("and", "&", "but", "with", "plus", "then", "also", "as well as")
ONLY = (
    "only",
    "solely",
    "nothing but",
    "nothing else",
    "no other objects",
    "no others",
    "no other object",
    "nothing more",
)
IMAGE = ("image", "picture", "photo", "photograph", "scene", "frame", "view", "layout", "drawing")
LEADING = frozenset(
    f"{article}{noun}{verb}"
    for article in ("", "a ", "an ", "the ", "this ")
    for noun in (*IMAGE, "images", "pictures", "layouts", "scenes")
    for verb in (
        " of",
        " with",
        " showing",
        " that shows",
        " containing",
        " that contains",
        " shows",
        " contains",
        "",
    )
)
WHOLE = frozenset(
    [
        "altogether",
        "in total",
        "in it",
        *(f"in {which} {noun}" for which in ("the", "this") for noun in IMAGE),
    ]
)
FILLERS = (
    *(
        "there is",
        "there are",
        "there should be",
        "there must be",
        "it has",
        "it shows",
        "it contains",
        "i want",
    ),
    *(
        "i would like",
        "i need",
        "we want",
        "please",
        "show",
        "show me",
        "draw",
        "draw me",
        "give me",
        "make",
        "have",
    ),
    *("containing", "showing", "having"),
)
ARTICLES = ("the", "a", "an", "one of the", "any", "very", "the very", "or near the")
PREPOSITIONS = (
    *(
        "in",
        "on",
        "at",
        "to",
        "near",
        "near to",
        "along",
        "toward",
        "towards",
        "by",
        "within",
        "close to",
        "around",
    ),
    *("somewhere in", "somewhere on", "somewhere at", "over at"),
)

SIZE_WORDS: Mapping[str, str] = {
    "tiny": "tiny",
    "very small": "tiny",
    "minute": "tiny",
    "small": "small",
    "little": "small",
    "medium": "medium",
    "average": "medium",
    "large": "large",
    "big": "large",
    "huge": "huge",
    "very large": "huge",
    "very big": "huge",
    "giant": "huge",
    "enormous": "huge",
}

_LEFT_RIGHT = {
    f"{to}{side}{part} of": f"{side} of"
    for side in ("left", "right")
    for to in ("", "to the ", "on the ", "at the ", "to ")
    for part in ("", " side", " hand side")
}
_RELATIONS: Mapping[str, str] = {
    "above": "above",
    "over": "above",
    "on top of": "above",
    "below": "below",
    "under": "below",
    "underneath": "below",
    "beneath": "below",
    "next to": "next to",
    "beside": "next to",
    "near": "next to",
    "near to": "next to",
    "close to": "next to",
    "adjacent to": "next to",
    "alongside": "next to",
    "by": "next to",
    "inside": "inside",
    "inside of": "inside",
    "within": "inside",
    "in": "inside",
}
NEARLY = {  # "right above" is no place
    f"{how} {word}": name
    for how in ("right", "directly", "just", "immediately")
    for word, name in _RELATIONS.items()
    if word not in ("in", "by", "near", "near to", "close to", "within")
}
RELATION_WORDS: Mapping[str, str] = {**_LEFT_RIGHT, **_RELATIONS, **NEARLY}

_ACROSS = {"left": "left", "leftmost": "left", "right": "right", "rightmost": "right"}
_DOWN = {"top": "upper", "upper": "upper", "topmost": "upper", "bottom": "lower", "lower": "lower"}
_MIDDLE = ("center", "centre", "middle", "central")
_KINDS = {
    **dict.fromkeys(("corner", "corners"), "corner"),
    **dict.fromkeys(("edge", "edges", "border", "borders", "margin", "rim", "boundary"), "edge"),
    "half": "half",
    "third": "third",
    "quarter": "quarter",
    "quadrant": "quarter",
}
_PARTS = ("hand", "side", "part", "area", "region", "section", "portion")
PLACES = frozenset([*_ACROSS, *_DOWN, *_MIDDLE, *_KINDS, *_PARTS])


def place_named(said: Sequence[str]) -> str | None:
    """The place that some words name, as `layouts.places` has it, or None: ["top", "right", "hand", "corner"] ->
    "upper right corner".
    """
    across = list(dict.fromkeys(_ACROSS[word] for word in said if word in _ACROSS))
    down = list(dict.fromkeys(_DOWN[word] for word in said if word in _DOWN))
    kinds = list(dict.fromkeys(_KINDS[word] for word in said if word in _KINDS))
    middle = any(word in _MIDDLE for word in said)
    if max(len(across), len(down), len(kinds)) > 1 or (middle and (kinds or (across and down))):
        return None
    kind = kinds[0] if kinds else ""
    if middle:
        alone = {"upper": "top", "lower": "bottom"}
        return " ".join([*(alone[one] for one in down), "center", *across])
    if not across and not down:
        return kind if kind in ("corner", "edge") else None
    if down and not across and kind in ("", "edge"):
        down = [{"upper": "top", "lower": "bottom"}[down[0]]]
    return " ".join([*down, *across, *([kind] if kind else [])])

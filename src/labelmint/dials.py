"""The dials that are known by name, and how the values of a drawing are found.

The value of a dial is the one given, else the usual value of the part that heeds it. A dial that no part heeds
is refused: an image whose provenance names a temperature was drawn at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from labelmint.errors import InputError
from labelmint.protocols import Dial, Dials

__all__ = [
    "DIALS",
    "EVALUATIONS",
    "GUIDANCE",
    "LAYOUT_TEMPERATURE",
    "MOST_STYLES",
    "STYLE",
    "TEMPERATURE",
    "TRUNCATION",
    "Heeding",
    "Lacking",
    "check_ranges",
    "heeded_by",
    "settled",
]

MOST_STYLES = 64
TEMPERATURE = Dial("temperature", 0.85, 0.01, 100.0, "Below 1: likelier, less varied images.", named=True)
GUIDANCE = Dial(  # beyond the most next to nothing is left to chance
    "guidance",
    1.0,
    0.0,
    20.0,
    "Above 1: images obey their layouts more. For flow, and for runs of other systems that were trained with "
    "--set prior.condition_dropout=0.1.",
    named=True,
)
LAYOUT_TEMPERATURE = Dial(
    "layout_temperature",
    1.0,  # a run has its own, `layout_prior.temperature`
    0.01,
    100.0,
    "Below 1: likelier, less varied layouts. The run's own (layout_prior.temperature) unless given.",
    named=True,
)
EVALUATIONS = Dial(
    "evaluations",
    13,
    1,
    1000,
    "Evaluations of a flow's velocity for an image: more are slower, and truer. With guidance each is two passes of "
    "its network.",
    whole=True,
)
TRUNCATION = Dial(
    "truncation",
    5.0,
    0.01,
    5.0,
    "Numbers of a code lie between minus this and this: 5 cuts nothing off, 0.5 draws typical, less varied images.",
)
STYLE = Dial(
    "style",
    -1,
    -1,
    MOST_STYLES - 1,
    "The kind of look of all images, by its number in styles.png of the run, for runs trained with --set "
    "generator.styles=8; -1 draws one for each image, as often as it is among the images learned from.",
    whole=True,
    named=True,
)
_ALL = (TEMPERATURE, LAYOUT_TEMPERATURE, GUIDANCE, EVALUATIONS, TRUNCATION, STYLE)
DIALS = {dial.name: dial for dial in _ALL}


class Heeding(Protocol):
    """A part that heeds dials: a layout source, an image generator, or what draws with both."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""


@runtime_checkable
class Lacking(Protocol):
    """A part that would heed further dials, had it been trained for them."""

    @property
    def lacking(self) -> Mapping[str, str]:
        """Why it does not heed them and what mends that, by the dial's name."""


def check_ranges(dials: Dials) -> None:
    """Raise InputError for a value out of the range of a known dial, before anything is loaded."""
    for name in dials.keys() & DIALS.keys():
        DIALS[name].check(dials[name])


def heeded_by(parts: Sequence[Heeding]) -> tuple[Dial, ...]:
    """The dials of all the parts, each once; the known ones come first, as the samples of all systems say them."""
    found = {dial.name: dial for part in parts for dial in part.dials}
    return tuple(found[name] for name in dict.fromkeys([*DIALS, *found]) if name in found)


def settled(who: str, parts: Sequence[Heeding], given: Dials) -> dict[str, float]:
    """A value for every dial that the parts heed: the one given, else the usual one.

    Arguments:
        who: the system's name, for messages.
        parts: what draws.
        given: values by name.

    Raises InputError for a dial that no part heeds, and for a value out of range.
    """
    heeded = heeded_by(parts)
    for name, value in given.items():
        _check(who, parts, heeded, name, value)
    return {dial.name: float(given.get(dial.name, dial.usual)) for dial in heeded}


def _check(who: str, parts: Sequence[Heeding], heeded: Sequence[Dial], name: str, value: float) -> None:
    dial = next((dial for dial in heeded if dial.name == name), None)
    if dial is not None:
        dial.check(value)
        return
    check_ranges({name: value})
    reason = next(
        (part.lacking[name] for part in parts if isinstance(part, Lacking) and name in part.lacking), ""
    )
    if reason:
        raise InputError(
            f"{DIALS[name].given(value) if name in DIALS else name}: {who} has no {name}: {reason}"
        )
    names = ", ".join(dial.name for dial in heeded) or "none"
    raise InputError(f"{who} has no {name}; its dials: {names}")

"""Dials on the command line: an option each for those that have a name of their own, --dial for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer

from labelmint.cli.options import parse_numbers, parse_words
from labelmint.dials import EVALUATIONS, GUIDANCE, LAYOUT_TEMPERATURE, STYLE, TEMPERATURE, TRUNCATION
from labelmint.errors import InputError
from labelmint.protocols import Dial, Dials

__all__ = ["DialValues", "Guidance", "LayoutTemperature", "Style", "Temperature", "dials_of", "parse_dials"]


def _of(dial: Dial, metavar: str) -> Any:
    """The option of a dial, as the dial says it; without it a run takes its usual value."""
    usual = "" if dial.says.endswith("unless given.") else f" {dial.usual:g} unless given."
    return typer.Option(dial.option, metavar=metavar, help=dial.says + usual, show_default=False)


Temperature: TypeAlias = Annotated[float | None, _of(TEMPERATURE, "T")]
LayoutTemperature: TypeAlias = Annotated[float | None, _of(LAYOUT_TEMPERATURE, "T")]
Guidance: TypeAlias = Annotated[float | None, _of(GUIDANCE, "G")]
Style: TypeAlias = Annotated[int | None, _of(STYLE, "K")]
DialValues: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--dial",
        metavar="NAME=VALUE",
        help=f"Set any other dial that the run has; repeatable. evaluations, of flow: {EVALUATIONS.says} "
        f"truncation, of bicyclegan, biggan, layout2im, bachgan-apart, and of spade and bachgan with generator.code "
        f"above 0: {TRUNCATION.says} strength, of transfer: how far shapes are moved.",
        show_default=False,
    ),
]


def parse_dials(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """["evaluations=8,16"] -> {"evaluations": (8.0, 16.0)}. Raises InputError for anything else, and for a name
    that comes twice.
    """
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not name or not equals or not parse_words(values):
            raise InputError(f"--dial {text}: expected NAME=VALUE, as in temperature=0.7")
        if name in found:
            raise InputError(f"--dial {text}: {name} is given twice")
        found[name] = parse_numbers(values, f"--dial {name}")
    return found


def dials_of(texts: Sequence[str] | None, **named: float | None) -> Dials:
    """The dials that were given, by options of their own or by --dial, a value each."""
    given = {name: value for name, value in named.items() if value is not None}
    for name, values in parse_dials(texts or ()).items():
        if len(values) > 1:
            raise InputError(f"--dial {name}={','.join(f'{one:g}' for one in values)}: expected one value")
        if name in given:
            raise InputError(f"--dial {name}={values[0]:g}: {name} is given twice")
        given[name] = values[0]
    return given

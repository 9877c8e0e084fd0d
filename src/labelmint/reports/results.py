"""What an evaluation found, as values: figures, tables, charts and pictures in sections. `report.json` is
this, and nothing else.

A figure is one number with its name, its interval, the same number of real data beside it, and how it was
obtained. A figure that could not be had says why, and never stands as a number. NaN and infinities become
None: JSON has no word for them.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Chart", "Figure", "Picture", "Results", "Section", "Series", "Table", "Verdict"]

FORMAT_VERSION = 1


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _sayable(cls, content: Any) -> Any:
        return _sayable(content)


def _sayable(content: Any) -> Any:
    """What JSON and UTF-8 have no word for, said otherwise: NaN as None, NumPy's numbers as Python's, bytes
    in names as \\udcXX.
    """
    match content:
        case dict():
            return {_sayable(key): _sayable(value) for key, value in content.items()}
        case list() | tuple():
            return [_sayable(item) for item in content]
        case int():
            return content
        case Integral():
            return int(content)
        case Real():
            return float(content) if math.isfinite(content) else None
        case str():
            return content.encode("utf-8", "backslashreplace").decode()
    return content


class Figure(_Value):
    """One number.

    Attributes:
        name: dotted and stable, as programs look it up: "obedience.ratio".
        title: as people read it: "Obedience ratio".
        value: the number; None where it was refused (then `refused` says why, with what is needed).
        low, high: ends of its 95 % interval by bootstrap, where there is one.
        real: the same number of real held-out data, where it has a meaning.
        better: which way is better, if any.
        unit: written after the number ("%", "dB", "per 1,000"), empty for none.
        how: formula or source and what it was computed on, in a sentence.
        refused: why there is no number, with the number of samples that it needs.
    """

    name: str
    title: str
    value: float | None
    low: float | None = None
    high: float | None = None
    real: float | None = None
    better: Literal["higher", "lower", "neither"] = "neither"
    unit: str = ""
    how: str = ""
    refused: str = ""


class Table(_Value):
    """Rows under a head; cells are text or numbers, None is shown as a dash."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    note: str = ""


class Series(_Value):
    """One named line, set of bars or cloud of points: x and y of one length. For bars, x holds the words
    below them. None is a gap.
    """

    name: str
    x: tuple[float | str | None, ...]
    y: tuple[float | None, ...]

    @model_validator(mode="after")
    def _one_length(self) -> Series:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y")
        return self


class Chart(_Value):
    """A plot of one or a few series over the same axes; by custom the synthetic data come first and the real
    data second: colors follow.
    """

    title: str
    kind: Literal["lines", "bars", "points"]
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    note: str = ""


class Picture(_Value):
    """A PNG file beside the report, by its path relative to the report's folder, and what it shows."""

    title: str
    file: str
    note: str = ""


class Section(_Value):
    """One question and what answers it; `summary` is one or two sentences with figures."""

    name: str
    title: str
    summary: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    pictures: tuple[Picture, ...] = ()


class Verdict(_Value):
    """The answer in words; `level` decides the color beside it, never without the words."""

    level: Literal["good", "mixed", "bad"]
    text: str
    reasons: tuple[str, ...] = ()


class Results(_Value):
    """A whole report.

    Attributes:
        format_version: of this schema.
        title: what was evaluated, in a few words.
        verdict: the answer.
        headline: names of the five figures that stand on the first screen.
        overview: real and synthetic side by side.
        sections: in reading order; names of figures differ across all of them.
        origin: how it was obtained: command, seeds, versions, hardware, digests of weights and data, seconds.
    """

    format_version: int = FORMAT_VERSION
    title: str
    verdict: Verdict
    headline: tuple[str, ...]
    overview: Picture | None = None
    sections: tuple[Section, ...]
    origin: dict[str, Any] = Field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its name."""
        return {figure.name: figure for section in self.sections for figure in section.figures}

"""All that drawing takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelmint.errors import InputError
from labelmint.protocols import Dials
from labelmint.runs.given import Given

__all__ = ["Draw", "asked", "at_least"]


def asked(dials: Mapping[str, float | None]) -> Dials:
    """The values that were asked for: None leaves a dial as it is usual."""
    return {name: value for name, value in dials.items() if value is not None}


def at_least(**values: tuple[int | None, int]) -> None:
    """Raise InputError for a number below its least value; None passes."""
    for name, (value, least) in values.items():
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: expected at least {least}")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """All that drawing takes, apart from which samples.

    Attributes:
        seed: of every draw.
        batch_size: B, samples drawn at a time; a part of what decides their bytes.
        dials: values of those that were given, by name; all others are as usual.
        layouts: given ones, and what is kept of their pairs; None takes the run's own.
        per_layout: samples in a row that share a layout, where layouts are not drawn.
        vary: given layouts, or those of the training pairs, are turned, zoomed and mixed for each sample
            (`layouts.varied`) instead of taken as they are.
        labels: of a system that sees boxes, as `runs.labels` has them: "boxes" or "given"; None takes what it has.

    Raises InputError for numbers out of range.
    """

    seed: int = 0
    batch_size: int = 32
    dials: Dials = field(default_factory=dict)
    layouts: Given | None = None
    per_layout: int = 1
    vary: bool = False
    labels: str | None = None

    @property
    def draws_layouts(self) -> bool:
        """True if layouts are drawn, in part or whole, where the run can draw them."""
        return not self.vary and (self.layouts is None or self.layouts.layout is not None)

    def __post_init__(self) -> None:
        at_least(seed=(self.seed, 0), batch_size=(self.batch_size, 1), per_layout=(self.per_layout, 1))

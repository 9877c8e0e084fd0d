"""All that drawing takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from labelmint.errors import InputError
from labelmint.protocols import Dials
from labelmint.runs.given import Given
from labelmint.runs.style import Style
from labelmint.seeds import Seeds

__all__ = ["Draw", "asked", "at_least", "check_seeds"]


def asked(dials: Mapping[str, float | None]) -> Dials:
    """The values that were asked for: None leaves a dial as it is usual."""
    return {name: value for name, value in dials.items() if value is not None}


def at_least(**values: tuple[int | None, int]) -> None:
    """Raise InputError for a number below its least value; None passes."""
    for name, (value, least) in values.items():
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: expected at least {least}")


def check_seeds(reseed: Mapping[str, int]) -> None:
    """Raise InputError for a seed of a stream that is below 0."""
    for name, seed in reseed.items():
        if seed < 0:
            raise InputError(f"--reseed {name}={seed}: expected a seed of at least 0")


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
        reseed: other seeds for streams of their own, by name (`runs.streams`).
        style: of a reference image, which all samples take in place of one drawn by seed; None for none.
        labels: of a system that sees boxes, as `runs.labels` has them: "boxes" or "given"; None takes what it has.
        wanted: samples that have to meet the description, where there is one; others of their batches may be the
            nearest that there are. None for all. It decides no bytes.

    Raises InputError for numbers out of range.
    """

    seed: int = 0
    batch_size: int = 32
    dials: Dials = field(default_factory=dict)
    layouts: Given | None = None
    per_layout: int = 1
    vary: bool = False
    reseed: Mapping[str, int] = field(default_factory=dict)
    style: Style | None = None
    labels: str | None = None
    wanted: range | None = None

    def seeds(self, part: str, indices: Iterable[int], streams: Sequence[str] = ()) -> Seeds:
        """Seeds of samples for a part, "layout" or "image", that tells these streams apart."""
        of_set = self.reseed.get(part, self.seed)
        anew = {name: self.reseed[name] for name in streams if name in self.reseed}
        return Seeds([(of_set, index) for index in indices], anew)

    @property
    def draws_layouts(self) -> bool:
        """True if layouts are drawn, in part or whole, where the run can draw them."""
        return not self.vary and (self.layouts is None or self.layouts.layout is not None)

    def __post_init__(self) -> None:
        at_least(seed=(self.seed, 0), batch_size=(self.batch_size, 1), per_layout=(self.per_layout, 1))
        check_seeds(self.reseed)

"""Trainings that never were: figures and values that are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labelmint.comparison.differences import FRECHET, OBEDIENCE, Difference
from labelmint.comparison.entrants import Entrant
from labelmint.comparison.measured import Measured, Values
from labelmint.reports.results import Figure, Results, Section, Table, Verdict
from labelmint.types import Array

SAMPLES, LAYOUTS, REAL, PIXELS = 240, 60, 90, 100
GROUPS = tuple(f"test-{k // 2}" for k in range(LAYOUTS))
REAL_GROUPS = tuple(f"test-{k // 3}" for k in range(REAL))


def counts(n: int, right: float, rng: np.random.Generator) -> Array:
    """(n, 2, 2) pixels by label and reading: of 50 pixels of each class so many, in shares, are read as labelled."""
    each = np.clip(rng.normal(50 * right, 2, (n, 2)).round(), 0, 50).astype(np.int64)
    return np.stack(
        [np.stack([each[:, 0], 50 - each[:, 0]], 1), np.stack([50 - each[:, 1], each[:, 1]], 1)], 1
    )


def measured(
    system: str,
    seed: int = 0,
    right: float = 0.9,
    away: float = 0.0,
    *,
    level: str = "good",
    reasons: tuple[str, ...] = (),
    figures: Mapping[str, Figure] | None = None,
) -> Measured:
    """A training whose samples are read as labelled in a share of pixels (0.9 as real ones are), and whose features lie
    away from real ones.
    """
    real, rng = np.random.default_rng(1), np.random.default_rng([seed, len(system)])
    values = Values(
        counts=counts(SAMPLES, right, rng),
        real_counts=counts(REAL, 0.9, real),
        features=rng.normal(away, 1, (SAMPLES, 3)),
        real_features=real.normal(0, 1, (REAL, 3)),
        kept=np.ones(SAMPLES, bool),
    )
    parts = Table(
        title="Parts", head=("part", "parameters", "steps", "minutes"), rows=(("generator", 7, 9, 1.5),)
    )
    sections = (
        Section(name="figures", title="Figures", figures=tuple((figures or {}).values())),
        Section(name="effort", title="Effort", tables=(parts,)),
    )
    results = Results(
        title=system,
        verdict=Verdict(level=level, text=level, reasons=reasons),  # type: ignore[arg-type]
        headline=(),
        sections=sections,
    )
    return Measured(entrant=Entrant(system, seed), results=results, values=values)


def apart(one: str, other: str, obedience: int = 0, frechet: int = 0) -> list[Difference]:
    """Both differences of two systems: 1 is in favor of the first, -1 of the other, 0 a tie."""

    def found(figure: str, favors: int, sign: int) -> Difference:
        middle = 0.3 * favors * sign
        return Difference(
            figure=figure, one=one, other=other, value=middle, low=middle - 0.1, high=middle + 0.1
        )

    return [found(OBEDIENCE, obedience, 1), found(FRECHET, frechet, -1)]

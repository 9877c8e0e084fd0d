"""The verdict: nothing is sure of copies where there is no interval."""

from __future__ import annotations

import pytest

from labelmint.evaluation.verdict import verdict
from labelmint.reports.results import Figure


@pytest.mark.parametrize(
    ("copies", "high", "level"),
    [
        (0.0, 99.0, "good"),
        (0.0, 1000.0, "mixed"),
        (15.0, None, "mixed"),
        (0.0, None, "mixed"),
        (15.0, 60.0, "good"),
    ],
)
def test_few_copies_are_good_only_where_the_interval_says_so(
    copies: float, high: float | None, level: str
) -> None:
    figures = (
        Figure(
            name="memorization.copies_per_1000", title="Copies per 1,000", value=copies, low=0.0, high=high
        ),
        Figure(name="fidelity.coverage", title="Coverage", value=0.9, real=0.9),
    )
    assert verdict({one.name: one for one in figures}).level == level

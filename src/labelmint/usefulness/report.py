"""The report of a study: its figures, tables and charts as `Results`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labelmint.reports.results import Figure, Picture, Results
from labelmint.types import ClassSet
from labelmint.usefulness.outcome import Outcome
from labelmint.usefulness.report_gain import gain, headroom
from labelmint.usefulness.report_making import choice, samples, training
from labelmint.usefulness.report_parts import ARMS
from labelmint.usefulness.report_scores import by_class, other_scores, papers_pair
from labelmint.usefulness.verdict import study_verdict

__all__ = ["ARMS", "study_results"]

_IN_THE_HEADLINE = 3


def study_results(
    outcome: Outcome,
    classes: ClassSet,
    foreground: Sequence[int],
    *,
    title: str,
    pictures: Iterable[Picture],
    origin: dict[str, Any],
) -> Results:
    """The whole report; the pictures lie in its folder already."""
    sections = [headroom(outcome)] if outcome.curve else [gain(outcome), headroom(outcome), choice(outcome)]
    sections += [by_class(outcome, classes, foreground), other_scores(outcome)]
    if not outcome.curve:
        sections += [papers_pair(outcome), samples(outcome, tuple(pictures))]
    sections.append(training(outcome))
    known = {figure.name: figure for section in sections for figure in section.figures}
    return Results(
        title=title,
        verdict=study_verdict(outcome),
        headline=_first_figures(outcome, known),
        sections=tuple(sections),
        origin=origin,
    )


def _first_figures(outcome: Outcome, known: Mapping[str, Figure]) -> tuple[str, ...]:
    numbers = outcome.studied or tuple(point.n for point in outcome.points if point.n < outcome.pool)
    kinds = ("headroom",) if outcome.curve else ("gain", "headroom", "worth")
    wanted = [f"{kind}.n{n}" for kind in kinds for n in numbers[:_IN_THE_HEADLINE]]
    return tuple(name for name in wanted if name in known)

"""The report of a study: its figures, tables and charts as `Results`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labelmint.reports.results import Figure, Picture, Results, Verdict
from labelmint.types import ClassSet
from labelmint.usefulness.best import best_at
from labelmint.usefulness.outcome import Outcome
from labelmint.usefulness.report_gain import gain, headroom
from labelmint.usefulness.report_making import choice, samples, training
from labelmint.usefulness.report_parts import ARMS
from labelmint.usefulness.report_scores import by_class, other_scores, papers_pair
from labelmint.usefulness.report_share import share_in_words, sharing
from labelmint.usefulness.report_ways import all_ways, gain_name, worth_name
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
    shown = tuple(pictures)
    if outcome.curve:
        sections = [headroom(outcome)]
    else:
        every = all_ways(outcome, () if outcome.drew else shown)
        first = [every, gain(outcome)] if outcome.pooled else [gain(outcome), every]
        sections = [*first, headroom(outcome)]
    sections += [sharing(outcome)] if any(point.shared for point in outcome.points) else []
    sections += [choice(outcome)] if outcome.drew else []
    sections += [by_class(outcome, classes, foreground), other_scores(outcome)]
    papers = any("accuracy" in point.asked for point in outcome.points) or outcome.trained(("accuracy",))
    sections += [papers_pair(outcome)] if outcome.drew and papers else []
    sections += [samples(outcome, shown)] if outcome.drew else []
    sections.append(training(outcome))
    known = {figure.name: figure for section in sections for figure in section.figures}
    return Results(
        title=title,
        verdict=_verdict(outcome),
        headline=_first_figures(outcome, known),
        sections=tuple(sections),
        origin=origin,
    )


def _verdict(outcome: Outcome) -> Verdict:
    """The answer, and where it was asked whether the pairs may be shared."""
    found = study_verdict(outcome)
    said = [share_in_words(point) for point in outcome.points if point.shared]
    return found.model_copy(update={"reasons": (*said, *found.reasons)}) if said else found


def _first_figures(outcome: Outcome, known: Mapping[str, Figure]) -> tuple[str, ...]:
    numbers = outcome.studied or tuple(point.n for point in outcome.points if point.n < outcome.pool)
    kinds = (
        ("headroom",) if outcome.curve else ("gain", "headroom", "worth") if outcome.drew else ("headroom",)
    )
    wanted = [f"{kind}.n{n}" for kind in kinds for n in numbers[:_IN_THE_HEADLINE]]
    found = (
        [best_at(outcome.at(n), outcome) for n in outcome.studied[:_IN_THE_HEADLINE]]
        if outcome.pooled
        else []
    )
    best = [
        f"{kind}.n{n}"
        for n, one in zip(outcome.studied, found, strict=False)
        if one is not None
        for kind in (gain_name(one), worth_name(one))
    ]
    return tuple(dict.fromkeys(name for name in [*best, *wanted] if name in known))

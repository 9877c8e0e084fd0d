"""The report of a comparison as `Results`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelmint.comparison.differences import Difference
from labelmint.comparison.measured import Measured
from labelmint.comparison.recommendation import recommendation
from labelmint.comparison.tables import figures_of, table_of_differences, table_of_figures, table_of_trainings
from labelmint.reports.results import Picture, Results, Section

__all__ = ["comparison_results"]


def comparison_results(
    found: Mapping[str, Sequence[Measured]],
    apart: Sequence[Difference],
    *,
    minutes: float,
    picture: Picture,
    title: str,
    origin: dict[str, Any],
) -> Results:
    """The whole report; the picture lies in its folder already.

    Arguments:
        found: the trainings of each system. apart: the differences of every two systems.
    """
    trainings = max(len(each) for each in found.values())
    figures = {system: figures_of(each) for system, each in found.items()}
    every = [one for each in found.values() for one in each]
    sections = [
        Section(
            name="figures",
            title="Which is best?",
            summary="The same judge measured all of them on the layouts of the test part.",
            tables=(table_of_figures(figures, trainings),),
        ),
        Section(
            name="differences",
            title="Is the difference sure?",
            summary=f"{sum(bool(each.favors) for each in apart)} of {len(apart)} intervals leave 0 out.",
            tables=(table_of_differences(apart),),
        ),
        Section(
            name="trainings",
            title="Training by training",
            summary=f"{len(every)} trainings.",
            tables=(table_of_trainings(every),),
        ),
    ]
    sections += [
        Section(name=system, title=system, summary=_says(found[system]), figures=each)
        for system, each in figures.items()
    ]
    good = [name for name, each in found.items() if all(one.results.verdict.level == "good" for one in each)]
    verdict = recommendation(
        list(found), apart, _unfit(found), minutes=minutes, trainings=trainings, good=good
    )
    return Results(
        title=title, verdict=verdict, headline=(), overview=picture, sections=tuple(sections), origin=origin
    )


def _unfit(found: Mapping[str, Sequence[Measured]]) -> dict[str, list[str]]:
    """Why the pairs of a system are not to be used, of those systems of which a training made bad ones."""
    bad = {
        system: [
            reason
            for one in each
            if one.results.verdict.level == "bad"
            for reason in one.results.verdict.reasons
            if reason.endswith(": bad")
        ]
        for system, each in found.items()
    }
    return {system: list(dict.fromkeys(reasons)) for system, reasons in bad.items() if reasons}


def _says(trainings: Sequence[Measured]) -> str:
    return " ".join(f"Seed {one.entrant.seed}: {one.results.verdict.text}" for one in trainings)

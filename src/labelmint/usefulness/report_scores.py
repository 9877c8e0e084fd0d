"""The sections of a study's report on other scores: class by class, mIoU and boundaries, and the papers' pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from labelmint.reports.results import Section, Table
from labelmint.types import ClassSet
from labelmint.usefulness.arms import POOLED
from labelmint.usefulness.figures import differences
from labelmint.usefulness.outcome import Outcome
from labelmint.usefulness.report_parts import ARMS, figure_of, mean_of
from labelmint.usefulness.verdict import points_in_words

__all__ = ["by_class", "other_scores", "papers_pair"]


def by_class(outcome: Outcome, classes: ClassSet, foreground: Sequence[int]) -> Section:
    usual = ("R", "A") if outcome.curve else ("A", "C", "S") if outcome.drew else outcome.trained(("A", "C"))
    names = (*usual, *outcome.trained(POOLED))
    tables = []
    for n in outcome.studied or tuple(point.n for point in outcome.points):
        point = outcome.at(n)
        rows = []
        for k in range(len(classes)):
            means = {name: _of_values(point.of_class(name, k).values()) for name in names}
            gains = differences(point.of_class("S", k), point.of_class(point.baseline, k))
            gain = round(float(np.mean([*gains.values()])), 2) if gains else None
            mark = "" if k in foreground else " (background)"
            rows.append((f"{classes.names[k]}{mark}", *means.values(), *((gain,) if outcome.drew else ())))
        head = ("class", *names, *((f"S - {point.baseline}, points",) if outcome.drew else ()))
        tables.append(
            Table(title=f"Test Dice class by class with {n} real pairs", head=head, rows=tuple(rows))
        )
    summary = "Mean test Dice over seeds of every class, and what each gains."
    return Section(name="classes", title="Class by class", summary=summary, tables=tuple(tables))


def _of_values(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def other_scores(outcome: Outcome) -> Section:
    usual = ("R", "A") if outcome.curve else ("R", "A", "C", "S", "Y")
    names = (*(usual if outcome.curve or outcome.drew else outcome.trained(usual)), *outcome.trained(POOLED))
    tables, figures = [], []
    for what, title in (
        ("miou", "mIoU over all classes"),
        ("boundary", "Boundary score: share of boundaries within 2 pixels"),
    ):
        rows = tuple(
            (str(point.n), *(mean_of(point, name, what) for name in names)) for point in outcome.points
        )
        tables.append(Table(title=f"{title}, mean over seeds", head=("real pairs", *names), rows=rows))
        figures += [
            figure_of(
                f"gain_{what}.n{n}",
                f"Gain in {'mIoU' if what == 'miou' else 'boundary score'} with {n} real pairs",
                outcome.at(n).gain(what),
                unit="points",
                how=f"arm S minus arm {outcome.at(n).baseline}",
            )
            for n in outcome.studied
            if outcome.drew
        ]
    gains = [(figure.title, figure.value) for figure in figures if figure.value is not None]
    said = "; ".join(f"{title}: {value:+.2f} points" for title, value in gains)
    summary = said or "Means over seeds."
    return Section(
        name="scores",
        title="mIoU and boundaries",
        summary=summary,
        figures=tuple(figures),
        tables=tuple(tables),
    )


def papers_pair(outcome: Outcome) -> Section:
    """R and R + synthetic without augmentation ("accuracy"), synthetic alone ("diversity"), as the papers
    report them.
    """
    figures, said = [], []
    for n in outcome.studied:
        point = outcome.at(n)
        gain = point.gain(over="R", arm="accuracy")
        figures.append(
            figure_of(
                f"papers_gain.n{n}",
                f"Gain without augmentation with {n} real pairs",
                gain,
                unit="points",
                how='"accuracy" minus R: what the papers report; classical augmentation is in neither arm',
            )
        )
        for name in ("R", "accuracy", "diversity"):
            figures.append(
                figure_of(
                    f"papers_{name}.n{n}",
                    f"{name} with {n} real pairs",
                    point.mean(name),
                    unit="Dice",
                    how=ARMS[name],
                )
            )
        if gain is not None:
            said.append(f"{n}: {points_in_words(gain)}")
    summary = "The papers' gain, R + synthetic over R, both without augmentation: "
    return Section(
        name="papers",
        title="As the papers measure it",
        figures=tuple(figures),
        summary=summary + ("; ".join(said) or "not known yet") + ".",
    )

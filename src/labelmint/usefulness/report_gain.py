"""The sections of a study's report on the gain: does it help, and where is there headroom?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelmint.reports.results import Chart, Figure, Section, Series, Table
from labelmint.reports.words import interval, number
from labelmint.usefulness.arms import BESIDE, POOLED
from labelmint.usefulness.figures import LEAST_HEADROOM, Interval
from labelmint.usefulness.outcome import Outcome, Point
from labelmint.usefulness.report_parts import ARMS, LEFT_OUT, figure_of, mean_of
from labelmint.usefulness.verdict import answer_at, points_in_words

__all__ = ["gain", "headroom"]


def gain(outcome: Outcome) -> Section:
    """Dice of each arm and the gain, by number of real pairs."""
    figures = [figure for n in outcome.studied for figure in _figures(outcome, n)]
    names = ("R", "A", "C", "S", "Y") if outcome.drew else outcome.trained(("R", "A", "C"))
    rows = [_row(outcome, n, names) for n in outcome.studied]
    figures.append(
        Figure(
            name="dice.blind",
            title="Dice without looking at the image",
            value=outcome.blind,
            unit="",
            how="the highest Dice of one reading for all test images: what objects that are large or always "
            "in one place give away",
        )
    )
    known = [(n, outcome.at(n).gain()) for n in outcome.studied]
    said = "; ".join(f"{n}: {points_in_words(gain)}" for n, gain in known if gain is not None)
    table = Table(
        title="Dice on the real test part, mean over seeds",
        rows=tuple(rows),
        head=(
            "real pairs",
            *names,
            *(("S - R, points", "gain, points", "95 % interval", "answer") if outcome.drew else ()),
        ),
        note="; ".join(f"{name}: {ARMS[name]}" for name in names)
        + ". Dice is that of all test pixels at once, "
        "class by class, and its mean over the foreground classes.",
    )
    return Section(
        name="gain",
        title=_title(outcome),
        summary=f"Gain by number of real pairs: {said}."
        if said
        else "No gain is known yet."
        if outcome.drew
        else "No arm with synthetic pairs was asked for.",
        figures=tuple(figures),
        tables=(table,),
    )


def _title(outcome: Outcome) -> str:
    if not outcome.drew:
        return "What does strong augmentation reach?"
    return "Do synthetic pairs help?" if outcome.pooled else "Does it help?"


def _figures(outcome: Outcome, n: int) -> list[Figure]:
    point = outcome.at(n)
    return [
        *(_gains(point, n) if outcome.drew else ()),
        *(
            figure_of(
                f"dice.n{n}.{name}",
                f"Dice of {name} with {n} real pairs",
                point.mean(name),
                unit="",
                how=ARMS[name],
            )
            for name in ("A", "C", "S", "Y", *POOLED, *BESIDE)
            if point.scores(name) or (name in ("A", "C", "S", "Y") and name in point.asked)
        ),
    ]


def _gains(point: Point, n: int) -> list[Figure]:
    return [
        figure_of(
            f"gain.n{n}",
            f"Gain with {n} real pairs",
            point.gain(),
            unit="points",
            how=f"100 times the mean over seeds of the test Dice of arm S minus that of arm "
            f"{point.baseline}, the better of A and C",
        ),
        figure_of(
            f"gain_over_r.n{n}",
            f"Gain over no augmentation with {n} real pairs",
            point.gain(over="R"),
            unit="points",
            how="arm S minus arm R: what papers with an unaugmented baseline report; augmentation gives most of it",
        ),
    ]


def _row(outcome: Outcome, n: int, names: Sequence[str]) -> tuple[Any, ...]:
    point = outcome.at(n)
    means = (str(n), *(mean_of(point, name) for name in names))
    if not outcome.drew:
        return means
    found, over_plain = point.gain(), point.gain(over="R")
    return (
        *means,
        None if over_plain is None else f"{over_plain.mean:+.2f}",
        None if found is None else f"{found.mean:+.2f}",
        "-" if found is None else interval(found.low, found.high),
        answer_at(point, outcome).kind,
    )


def headroom(outcome: Outcome) -> Section:
    figures = [
        figure for point in outcome.points if point.n < outcome.pool for figure in _room(point, outcome)
    ]
    figures += [_worth(outcome.at(n), outcome) for n in outcome.studied if outcome.drew]
    numbers = tuple(str(point.n) for point in outcome.points)
    usual = ("A", "R") if outcome.curve else ("S", "A", "C") if outcome.drew else outcome.trained(("A", "C"))
    names = (*usual, *outcome.trained((*POOLED, *BESIDE)))
    series = [
        Series(name=name, x=numbers, y=tuple(mean_of(point, name) for point in outcome.points))
        for name in names
    ]
    chart = Chart(
        title="Dice by number of real training pairs",
        kind="lines",
        x_label="real training pairs",
        y_label="Dice on the test part",
        series=tuple(series),
        note="Means over seeds. " + "; ".join(f"{name}: {ARMS[name]}" for name in names) + ".",
    )
    curve = outcome.learning_curve
    text = ", ".join(f"{n}: {number(score)}" for n, score in curve.items())
    return Section(
        name="headroom",
        title="Where is there headroom?",
        figures=tuple(figures),
        charts=(chart,),
        summary=f"Arm A by number of real pairs: {text}." if curve else "No learning curve is known yet.",
    )


def _room(point: Point, outcome: Outcome) -> list[Figure]:
    n, room, gain = point.n, outcome.headroom(point.n), point.gain()
    found = [
        figure_of(
            f"headroom.n{n}",
            f"Headroom with {n} real pairs",
            room,
            unit="points",
            how=f"test Dice of arm A with all {outcome.pool} training pairs minus that with {n}",
        )
    ]
    if n in outcome.studied and outcome.drew:
        share = None if gain is None else outcome.closed(point, "S", point.baseline)
        refused = (
            LEFT_OUT if room is None or gain is None else f"the headroom is below {LEAST_HEADROOM:g} points"
        )
        found.append(
            figure_of(
                f"closed.n{n}",
                f"Share of it closed with {n}",
                None if share is None else Interval(100 * share, None, None, 1),
                unit="%",
                how="gain divided by headroom",
                refused=refused,
            )
        )
    return found


def _worth(point: Point, outcome: Outcome) -> Figure:
    """How many real pairs the samples are worth."""
    n, worth = point.n, outcome.worth(point, "S")
    name, title = f"worth.n{n}", f"Worth with {n} real pairs"
    how = (
        "the number of real pairs at which the learning curve of arm A, linear in the logarithm of the "
        "number, reaches arm S, next to n"
    )
    if worth is None:
        return Figure(
            name=name, title=title, value=None, unit="images", how=how, refused=LEFT_OUT, better="higher"
        )
    if worth.bound != "exactly":
        return Figure(
            name=name,
            title=title,
            value=None,
            unit="images",
            how=how,
            better="higher",
            refused=f"{worth.words} images: arm S lies beyond the end of the learning curve",
        )
    times = f"{number(worth.images / n)} times the {n} real pairs"
    return Figure(
        name=name, title=title, value=worth.images, unit="images", how=f"{times}; {how}", better="higher"
    )

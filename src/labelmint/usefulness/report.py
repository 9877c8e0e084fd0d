"""The report of a study: its figures, tables and charts as `Results`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labelmint.reports.results import Chart, Figure, Picture, Results, Section, Series, Table
from labelmint.reports.words import interval, number
from labelmint.types import ClassSet
from labelmint.usefulness.figures import LEAST_HEADROOM, Interval, share_closed, worth_of
from labelmint.usefulness.outcome import Outcome, Point
from labelmint.usefulness.verdict import answer_at, points_in_words, study_verdict

__all__ = ["ARMS", "study_results"]

ARMS: Mapping[str, str] = {
    "R": "real pairs as they are",
    "A": "R + classical augmentation",
    "C": "A + copy-paste",
    "S": "A + synthetic pairs at the chosen ratio",
    "Y": "synthetic pairs alone, augmented",
    "accuracy": "R + synthetic pairs, no augmentation",
    "diversity": "synthetic pairs alone, no augmentation",
}
_IN_THE_HEADLINE = 3
_LEFT_OUT = "not trained; the budget left it out, or there are no samples"


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
    sections = (
        [_headroom(outcome)] if outcome.curve else [_gain(outcome), _headroom(outcome), _choice(outcome)]
    )
    sections += [_by_class(outcome, classes, foreground), _other_scores(outcome)]
    if not outcome.curve:
        sections += [_papers_pair(outcome), _samples(outcome, tuple(pictures))]
    sections.append(_training(outcome))
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


def _figure(
    name: str,
    title: str,
    found: Interval | None,
    *,
    unit: str,
    how: str,
    refused: str = _LEFT_OUT,
    scale: float = 1,
) -> Figure:
    if found is None:
        return Figure(
            name=name, title=title, value=None, unit=unit, how=how, refused=refused, better="higher"
        )
    low, high = (None if end is None else scale * end for end in (found.low, found.high))
    return Figure(
        name=name,
        title=title,
        value=scale * found.mean,
        low=low,
        high=high,
        unit=unit,
        how=how,
        better="higher",
    )


# Does it help? ----------------------------------------------------------------------------------------------


def _gain(outcome: Outcome) -> Section:
    figures, rows = [], []
    for n in outcome.studied:
        point = outcome.at(n)
        figures += [
            _figure(
                f"gain.n{n}",
                f"Gain with {n} real pairs",
                point.gain(),
                unit="points",
                how=f"100 times the mean over seeds of the test Dice of arm S minus that of arm "
                f"{point.baseline}, the better of A and C",
            ),
            *(
                _figure(
                    f"dice.n{n}.{name}",
                    f"Dice of {name} with {n} real pairs",
                    point.mean(name),
                    unit="",
                    how=ARMS[name],
                )
                for name in ("A", "C", "S", "Y")
            ),
        ]
        found = point.gain()
        rows.append(
            (
                str(n),
                *(_mean(point, name) for name in ("R", "A", "C", "S", "Y")),
                None if found is None else f"{found.mean:+.2f}",
                "-" if found is None else interval(found.low, found.high),
                answer_at(point, outcome).kind,
            )
        )
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
        head=("real pairs", "R", "A", "C", "S", "Y", "gain, points", "95 % interval", "answer"),
        note="; ".join(f"{name}: {words}" for name, words in ARMS.items() if len(name) == 1)
        + ". Dice is that of all test pixels at once, "
        "class by class, and its mean over the foreground classes.",
    )
    return Section(
        name="gain",
        title="Does it help?",
        summary=f"Gain by number of real pairs: {said}." if said else "No gain is known yet.",
        figures=tuple(figures),
        tables=(table,),
    )


def _mean(point: Point, name: str, what: str = "dice") -> float | None:
    found = point.mean(name, what)
    return None if found is None else found.mean


# Headroom ---------------------------------------------------------------------------------------------------


def _headroom(outcome: Outcome) -> Section:
    figures = [
        figure for point in outcome.points if point.n < outcome.pool for figure in _room(point, outcome)
    ]
    figures += [_worth(outcome.at(n), outcome) for n in outcome.studied]
    numbers = tuple(str(point.n) for point in outcome.points)
    names = ("A", "R") if outcome.curve else ("S", "A", "C")
    series = [
        Series(name=name, x=numbers, y=tuple(_mean(point, name) for point in outcome.points))
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
        _figure(
            f"headroom.n{n}",
            f"Headroom with {n} real pairs",
            room,
            unit="points",
            how=f"test Dice of arm A with all {outcome.pool} training pairs minus that with {n}",
        )
    ]
    if n in outcome.studied:
        share = None if room is None or gain is None else share_closed(gain.mean, room.mean)
        refused = (
            _LEFT_OUT if room is None or gain is None else f"the headroom is below {LEAST_HEADROOM:g} points"
        )
        found.append(
            _figure(
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
    n, curve, reached = point.n, outcome.curve_over(point.scores("S")), point.mean("S")
    name, title = f"worth.n{n}", f"Worth with {n} real pairs"
    how = (
        "the number of real pairs at which the learning curve of arm A, linear in the logarithm of the "
        "number, reaches arm S, next to n"
    )
    if reached is None or not curve:
        return Figure(
            name=name, title=title, value=None, unit="images", how=how, refused=_LEFT_OUT, better="higher"
        )
    worth = worth_of(reached.mean, curve, n)
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


# The choice, classes, other scores --------------------------------------------------------------------------


def _choice(outcome: Outcome) -> Section:
    rows = []
    for n in outcome.studied:
        point = outcome.at(n)
        for candidate in point.candidates:
            records = list(point.arms.get(candidate.key, {}).values())
            if records:
                validation, test = (
                    sum(getattr(record.result, part).dice for record in records) / len(records)
                    for part in ("validation", "test")
                )
                mark = "chosen" if candidate == point.chosen else "not chosen"
                rows.append(
                    (
                        str(n),
                        f"{candidate.ratio:g}",
                        candidate.way.words,
                        validation,
                        test,
                        str(len(records)),
                        mark,
                    )
                )
    table = Table(
        title="Ratios and ways of drawing",
        rows=tuple(rows),
        head=(
            "real pairs",
            "synthetic for each real",
            "samples",
            "validation Dice",
            "test Dice",
            "seeds",
            "",
        ),
        note="Chosen by the mean validation Dice at each number of real pairs. Test figures had no part in "
        "it.",
    )
    chosen = "; ".join(
        f"{n}: {point.chosen.words}" for n in outcome.studied if (point := outcome.at(n)).chosen is not None
    )
    return Section(
        name="choice",
        title="Which ratio, temperature and filter?",
        tables=(table,),
        summary=f"Chosen on validation data by number of real pairs: {chosen}."
        if chosen
        else "Nothing to choose from yet.",
    )


def _by_class(outcome: Outcome, classes: ClassSet, foreground: Sequence[int]) -> Section:
    names = ("R", "A") if outcome.curve else ("A", "C", "S")
    tables = []
    for n in outcome.studied or tuple(point.n for point in outcome.points):
        point = outcome.at(n)
        rows = []
        for k in range(len(classes)):
            means = {name: _of_values(point.of_class(name, k).values()) for name in names}
            better = means.get(point.baseline)
            gain = (
                None
                if outcome.curve or means["S"] is None or better is None
                else round(100 * (means["S"] - better), 2)
            )
            mark = "" if k in foreground else " (background)"
            rows.append((f"{classes.names[k]}{mark}", *means.values(), *(() if outcome.curve else (gain,))))
        head = ("class", *names, *(() if outcome.curve else (f"S - {point.baseline}, points",)))
        tables.append(
            Table(title=f"Test Dice class by class with {n} real pairs", head=head, rows=tuple(rows))
        )
    summary = "Mean test Dice over seeds of every class, and what each gains."
    return Section(name="classes", title="Class by class", summary=summary, tables=tuple(tables))


def _of_values(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _other_scores(outcome: Outcome) -> Section:
    names = ("R", "A") if outcome.curve else ("R", "A", "C", "S", "Y")
    tables, figures = [], []
    for what, title in (
        ("miou", "mIoU over all classes"),
        ("boundary", "Boundary score: share of boundaries within 2 pixels"),
    ):
        rows = tuple(
            (str(point.n), *(_mean(point, name, what) for name in names)) for point in outcome.points
        )
        tables.append(Table(title=f"{title}, mean over seeds", head=("real pairs", *names), rows=rows))
        figures += [
            _figure(
                f"gain_{what}.n{n}",
                f"Gain in {'mIoU' if what == 'miou' else 'boundary score'} with {n} real pairs",
                outcome.at(n).gain(what),
                unit="points",
                how=f"arm S minus arm {outcome.at(n).baseline}",
            )
            for n in outcome.studied
        ]
    gains = [(figure.title, figure.value) for figure in figures if figure.value is not None]
    summary = "; ".join(f"{title}: {value:+.2f} points" for title, value in gains)
    return Section(
        name="scores",
        title="mIoU and boundaries",
        summary=summary,
        figures=tuple(figures),
        tables=tuple(tables),
    )


def _papers_pair(outcome: Outcome) -> Section:
    """R and R + synthetic without augmentation ("accuracy"), synthetic alone ("diversity"), as the papers
    report them.
    """
    figures, said = [], []
    for n in outcome.studied:
        point = outcome.at(n)
        gain = point.gain(over="R", arm="accuracy")
        figures.append(
            _figure(
                f"papers_gain.n{n}",
                f"Gain without augmentation with {n} real pairs",
                gain,
                unit="points",
                how='"accuracy" minus R: what the papers report; classical augmentation is in neither arm',
            )
        )
        for name in ("R", "accuracy", "diversity"):
            figures.append(
                _figure(
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


# The samples and the training -------------------------------------------------------------------------------


def _samples(outcome: Outcome, pictures: tuple[Picture, ...]) -> Section:
    rows: list[tuple[str | float | None, ...]] = []
    for n in outcome.studied:
        for way, by_seed in outcome.at(n).drawn.items():
            for seed, one in sorted(by_seed.items()):
                rows.append(
                    (
                        str(n),
                        str(seed),
                        way.words,
                        one.judge_dice,
                        one.drawn,
                        one.disagreeing,
                        one.copies,
                        one.refused or "-",
                    )
                )
    table = Table(
        title="What became of the candidates",
        rows=tuple(rows),
        head=(
            "real pairs",
            "seed",
            "samples",
            "Dice of the filter's judge",
            "drawn",
            "dropped by the filter",
            "withheld as copies",
            "refused",
        ),
        note="Where the filter refused the samples of every way, samples without a filter take their place. "
        "A judge with a Dice "
        "below 0.5 tells little.",
    )
    refused = [text for n in outcome.studied for text in outcome.at(n).refusals.values()]
    kept = [
        one
        for n in outcome.studied
        for by_seed in outcome.at(n).drawn.values()
        for one in by_seed.values()
        if one.drawn
    ]
    drawn, lost, copies = (
        sum(getattr(one, name) or 0 for one in kept) for name in ("drawn", "disagreeing", "copies")
    )
    summary = (
        f"Of {drawn:,} candidates the filter dropped {lost:,} and the gate withheld {copies:,} near-copies. "
        if kept
        else "No filter looked at samples, nor for copies among them. "
        if rows
        else "No samples were drawn yet. "
    )
    summary += f"{len(refused)} times too few passed: {refused[0]}" if refused else ""
    return Section(name="samples", title="The samples", summary=summary, tables=(table,), pictures=pictures)


def _training(outcome: Outcome) -> Section:
    rows = []
    for point in outcome.points:
        for key, records in point.arms.items():
            for seed, record in sorted(records.items()):
                result = record.result
                samples = "-" if record.samples is None else str(record.samples)
                plateau = "plateau" if result.plateau else "step limit"
                rows.append(
                    (
                        str(point.n),
                        str(seed),
                        key,
                        samples,
                        str(result.steps),
                        str(result.best_step),
                        plateau,
                        result.validation_loss,
                        result.validation.dice,
                        result.test.dice,
                        round(record.seconds, 1),
                    )
                )
    head = (
        "real pairs",
        "seed",
        "arm",
        "synthetic pairs",
        "steps",
        "best step",
        "ended by",
        "validation loss",
        "validation Dice",
        "test Dice",
        "seconds",
    )
    left = f"; {len(outcome.left_out)} pieces of work were left out" if outcome.left_out else ""
    tables = [
        Table(
            title="Every arm that was trained",
            head=head,
            rows=tuple(rows),
            note="No arm had fewer steps than arm A of its cell.",
        )
    ]
    if outcome.left_out:
        tables.append(
            Table(
                title="Left out by the budget",
                head=("what",),
                rows=tuple((line,) for line in outcome.left_out),
            )
        )
    return Section(
        name="training",
        title="How the arms were trained",
        tables=tuple(tables),
        summary=f"{len(rows)} arms were trained{left}.",
    )

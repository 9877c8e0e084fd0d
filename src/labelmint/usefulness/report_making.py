"""The sections of a study's report on how it was made: the choice, the samples and the training."""

from __future__ import annotations

from labelmint.reports.results import Picture, Section, Table
from labelmint.usefulness.outcome import Outcome

__all__ = ["choice", "samples", "training"]


def choice(outcome: Outcome) -> Section:
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


def samples(outcome: Outcome, pictures: tuple[Picture, ...]) -> Section:
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


def training(outcome: Outcome) -> Section:
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

"""The sections of a study's report on how it was made: the choice, the samples and the training."""

from __future__ import annotations

from collections.abc import Sequence

from labelmint.reports.results import Picture, Section, Table
from labelmint.usefulness.cells import Record
from labelmint.usefulness.outcome import Outcome
from labelmint.usefulness.scoring import Scores

__all__ = ["choice", "samples", "training"]


def choice(outcome: Outcome) -> Section:
    rows = []
    for n in outcome.studied:
        point = outcome.at(n)
        for candidate in point.candidates:
            records = list(point.arms.get(candidate.key, {}).values())
            if records:
                validation, test = (
                    _mean([getattr(record.result, part) for record in records])
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
        note="The first is chosen. Where extra pairs validate, another is whose mean validation Dice is higher by "
        "more than one standard error over seeds. Test figures had no part in it.",
    )
    chosen = "; ".join(
        f"{n}: {point.chosen.words}" for n in outcome.studied if (point := outcome.at(n)).chosen is not None
    )
    return Section(
        name="choice",
        title="Which ratio, temperature and filter?",
        tables=(table,),
        summary=f"Chosen without test data, by number of real pairs: {chosen}."
        if chosen
        else "Nothing to choose from yet.",
    )


def _mean(parts: Sequence[Scores | None]) -> float | None:
    found = [one.dice for one in parts if one is not None]
    return sum(found) / len(found) if found else None


def _trained(n: int, seed: int, key: str, record: Record) -> tuple[str | float | None, ...]:
    """The row of one arm."""
    result = record.result
    return (
        str(n),
        str(seed),
        key,
        "-" if record.samples is None else str(record.samples),
        str(result.steps),
        "-" if result.best_step is None else str(result.best_step),
        "plateau" if result.plateau else "step limit",
        result.validation_loss,
        None if result.validation is None else result.validation.dice,
        result.test.dice,
        round(record.seconds, 1),
    )


def _settled(outcome: Outcome) -> Table:
    """What arm A settled on."""
    rows: list[tuple[str | float | None, ...]] = []
    for point in outcome.points:
        for seed, record in sorted(point.arms.get("A", {}).items()):
            settled = record.result.settled
            for one in settled.tried:
                error = None if one.error is None else 100 * one.error
                mark = "taken" if one.taken else "not taken"
                rows.append((str(point.n), str(seed), one.what, one.dice, 100 * one.gain, error, mark))
    return Table(
        title="What arm A settled on",
        head=("real pairs", "seed", "changed", "held-out Dice", "gain, points", "standard error", ""),
        rows=tuple(rows),
        note="Each is compared with the best before it on pairs that its segmenter had not seen, and taken where the "
        "gain is larger than its standard error.",
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
    rows = [
        _trained(point.n, seed, key, record)
        for point in outcome.points
        for key, records in point.arms.items()
        for seed, record in sorted(records.items())
    ]
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
            note="No arm but A0 and A0n had fewer steps than arm A of its cell. Where the n pairs are all labels, "
            "validation figures of arm A are of cross-fitting, and other arms have none.",
        ),
        _settled(outcome),
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

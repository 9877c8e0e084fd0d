"""The section of a study's report on all ways that may be better than arm A: which is the best for these data?"""

from __future__ import annotations

from labelmint.reports.results import Figure, Picture, Section, Table
from labelmint.reports.words import interval, number
from labelmint.usefulness.best import WAYS, Rival, rivals_at, tried
from labelmint.usefulness.outcome import Outcome, Point
from labelmint.usefulness.report_parts import ARMS, LEFT_OUT, figure_of
from labelmint.usefulness.verdict import best_in_words

__all__ = ["all_ways", "gain_name", "worth_name"]

_HEAD = (
    "real pairs",
    "arm",
    "what it is",
    "Dice",
    "gain over A, points",
    "95 % interval",
    "seeds",
    "worth, labelled images",
    "headroom closed, %",
)


def all_ways(outcome: Outcome, pictures: tuple[Picture, ...] = ()) -> Section:
    """Every way beside arm A, by number of real pairs."""
    figures, rows = [], []
    for n in outcome.studied:
        point = outcome.at(n)
        rivals = rivals_at(point, outcome)
        usual = point.mean("A")
        rows += [(str(n), "A", ARMS["A"], usual.mean, *["-"] * 5)] if usual is not None else []
        rows += [_row(n, rival) for rival in rivals]
        figures += [_gain(n, rival, tried(outcome)) for rival in rivals]
        figures += [_worth(n, rival) for rival in rivals if rival.worth is not None and rival.name != "S"]
        figures += _on_top(point)
    table = Table(
        title="All ways beside strong augmentation",
        rows=tuple(rows),
        head=_HEAD,
        note="Gains are paired over seeds. The best way is named by these test figures; so that its interval allows "
        "for the luck of that, all intervals here, of all ways at all numbers of pairs, hold at once in 95 % of all "
        "studies (Bonferroni).",
    )
    said = [best_in_words(outcome.at(n), outcome) for n in outcome.studied]
    return Section(
        name="ways",
        title="Which way is the best for these data?",
        summary=" ".join(one for one in said if one) or "No way beside arm A was trained yet.",
        figures=tuple(figures),
        tables=(table,),
        pictures=pictures,
    )


def _row(n: int, rival: Rival) -> tuple[str | float | None, ...]:
    gain = rival.gain
    return (
        str(n),
        rival.name,
        WAYS[rival.name],
        rival.dice,
        f"{gain.mean:+.2f}",
        "-" if gain.low is None else interval(gain.low, gain.high),
        str(gain.count),
        None if rival.worth is None else rival.worth.words,
        None if rival.closed is None else f"{100 * rival.closed:.0f}",
    )


def _gain(n: int, rival: Rival, count: int) -> Figure:
    return figure_of(
        f"{gain_name(rival)}.n{n}",
        f"Gain of {rival.name} over A with {n} real pairs",
        rival.gain,
        unit="points",
        how=f"100 times the mean over seeds of the test Dice of arm {rival.name} minus that of arm A; the interval "
        f"allows for the choice among {count}: the ways at all numbers of pairs",
    )


def _worth(n: int, rival: Rival) -> Figure:
    assert rival.worth is not None
    exact = rival.worth.bound == "exactly"
    how = f"the number of labelled images at which the learning curve of arm A reaches arm {rival.name}, next to {n}"
    return Figure(
        name=f"{worth_name(rival)}.n{n}",
        title=f"Worth of {rival.name} with {n} real pairs",
        value=rival.worth.images if exact else None,
        unit="images",
        how=f"{number(rival.worth.images / n)} times the {n} real pairs; {how}" if exact else how,
        better="higher",
        refused=""
        if exact
        else f"{rival.worth.words} images: arm {rival.name} lies beyond the end of the learning curve",
    )


def _on_top(point: Point) -> list[Figure]:
    """What the generator's pairs add to labels that are minted for the pool."""
    if not point.scores("S+ST") or not point.scores("ST"):
        return []
    return [
        figure_of(
            f"gain_over_st.n{point.n}",
            f"Gain of S+ST over ST with {point.n} real pairs",
            point.gain(over="ST", arm="S+ST"),
            unit="points",
            how="what synthetic pairs add to labels minted for the pool",
            refused=LEFT_OUT,
        )
    ]


def gain_name(rival: Rival) -> str:
    """The beginning of the name of its figure of gain: "gain_st", "gain_s_st"."""
    return f"gain_{_plain(rival.name)}"


def worth_name(rival: Rival) -> str:
    """That of what it is worth; S has the name that it always had."""
    return "worth" if rival.name == "S" else f"worth_{_plain(rival.name)}"


def _plain(name: str) -> str:
    return name.lower().replace("+", "_")

"""The tables of a comparison: the figures of every system, their differences, and the trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelmint.comparison.differences import Difference
from labelmint.comparison.measured import Measured
from labelmint.evaluation.fidelity import OF_LITE0
from labelmint.reports.results import Figure, Table
from labelmint.reports.words import interval, number

__all__ = ["FIGURES", "figures_of", "table_of_differences", "table_of_figures", "table_of_trainings"]

FIGURES: Mapping[str, str] = {
    "obedience.ratio": "obedience: agreement with labels, over that of real pairs",
    "fidelity.frechet_distance": "Fréchet distance of the judge's features (not FID)",
    f"fidelity.{OF_LITE0}": "Fréchet distance of EfficientNet-lite0's features (not FID)",
    "fidelity.coverage": "coverage",
    "fidelity.precision": "precision",
    "diversity.same_layout_ssim": "diversity: 1 - SSIM among images of one layout",
    "diversity.passing": "of those images show their layout, %",
    "fidelity.fine_texture": "fine texture, over that of real images",
    "fidelity.kinds_variation": "shares of kinds, total variation",
    "memorization.copies_per_1000": "copies per 1,000",
    "effort.images_per_second": "images a second in drawing",
    "effort.parameters": "parameters",
    "effort.steps": "steps of training",
    "effort.minutes": "minutes of training",
}
_ASKED_FOR = f"fidelity.{OF_LITE0}"


def figures_of(trainings: Sequence[Measured]) -> tuple[Figure, ...]:
    """The figures of a system: the mean over its trainings, and an interval from the lowest to the highest end of
    theirs. One that any training lacks says why; EfficientNet's is there where it was asked for.
    """
    system = trainings[0].entrant.system
    return tuple(
        _over(f"{system}.{name}", title, [one.results.figures.get(name) for one in trainings])
        for name, title in FIGURES.items()
        if name != _ASKED_FOR or any(name in one.results.figures for one in trainings)
    )


def _over(name: str, title: str, each: Sequence[Figure | None]) -> Figure:
    known = [one for one in each if one is not None]
    refused = next((one.refused or "not computed" for one in known if one.value is None), "")
    if len(known) < len(each) or refused:
        return Figure(name=name, title=title, value=None, refused=refused or "not computed")
    lows, highs, reals = (
        [value for one in known if (value := getattr(one, end)) is not None]
        for end in ("low", "high", "real")
    )
    whole = len(lows) == len(highs) == len(known)
    return known[0].model_copy(
        update={
            "name": name,
            "title": title,
            "value": _mean([one.value for one in known if one.value is not None]),
            "low": min(lows) if whole else None,
            "high": max(highs) if whole else None,
            "real": _mean(reals) if reals else None,
            "unit": "",
        }
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def table_of_figures(each: Mapping[str, Sequence[Figure]], trainings: int) -> Table:
    """Figure by figure, a column a system."""
    columns = list(each.values())
    rows = []
    for figures in zip(*columns, strict=True):
        real = next((figure.real for figure in figures if figure.real is not None), None)
        rows.append((figures[0].title, number(real), *map(_cell, figures)))
    over = f"Means over {trainings} trainings, from" if trainings > 1 else "From"
    return Table(
        title="The systems beside each other",
        head=("figure", "real images", *each),
        rows=tuple(rows),
        note=f"{over} the lowest to the highest end of the 95 % intervals in brackets. A system is better the nearer "
        f"it comes to real images, which are other views of the same data. A dash was not measured: the system's own "
        f"section says why.",
    )


def _cell(figure: Figure) -> str:
    ends = interval(figure.low, figure.high)
    return number(figure.value) + (f" ({ends})" if ends != "-" else "")


def table_of_differences(found: Sequence[Difference]) -> Table:
    """Every two systems, in the two figures that decide."""
    said = {None: "no interval", "": "holds 0"}
    rows = [
        (
            f"{each.one} - {each.other}",
            each.figure,
            number(each.value),
            interval(each.low, each.high),
            said.get(each.favors, f"for {each.favors}"),
        )
        for each in found
    ]
    return Table(
        title="Differences, on the same layouts",
        head=("systems", "figure", "difference", "95 % interval", "says"),
        rows=tuple(rows),
        note="Obedience counts up to 1 here. Intervals are over halves of the test part, and over trainings where "
        "there are several.",
    )


def table_of_trainings(found: Sequence[Measured]) -> Table:
    """Training by training, with the parts of each."""
    rows = []
    for one in found:
        (effort,) = (section for section in one.results.sections if section.name == "effort")
        (parts,) = effort.tables
        steps = ", ".join(f"{part} {number(_number(steps))}" for part, _, steps, _ in parts.rows)
        minutes, obedient, distance = (
            one.results.figures[name].value
            for name in ("effort.minutes", "obedience.ratio", "fidelity.frechet_distance")
        )
        said = {"good": "good", "mixed": "with care", "bad": "do not use"}[one.results.verdict.level]
        rows.append((one.entrant.words, steps, minutes, obedient, distance, said))
    return Table(
        title="Training by training",
        head=("training", "steps of its parts", "minutes", "obedience", "Fréchet distance", "its pairs"),
        rows=tuple(rows),
        note="reports/SYSTEM-SEED/report.html has all figures and pictures of each. The last part of a system learns "
        "until its minutes are over, or until its held-out figure no longer falls.",
    )


def _number(value: str | float | int | None) -> float | None:
    return value if isinstance(value, int | float) else None

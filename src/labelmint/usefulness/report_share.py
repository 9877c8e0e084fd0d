"""May the synthetic pairs be shared in place of the images? The answer, and its section of a study's report.

    do not share    a segmenter that is trained on them alone (arm Y) has on average more than 1 point of Dice less than
                    arm A; or more of them are near-copies than 10 per 1,000 and than of real held-out views; or members
                    can be told, labelled or of the pool: the interval of the AUC lies above 0.5, or its mean above 0.6
    not known       none of these, but something was not measured, or there is one seed
    may be shared   none of these, as far as these figures see

The bounds are ours. The attack is the weakest that there is: nothing here proves privacy.
"""

from __future__ import annotations

from labelmint.reports.results import Figure, Section, Table
from labelmint.reports.words import number
from labelmint.usefulness.figures import Interval, interval_of
from labelmint.usefulness.outcome import Outcome, Point
from labelmint.usefulness.report_parts import LEFT_OUT, figure_of
from labelmint.usefulness.verdict import LOSS, points_in_words

__all__ = ["share_in_words", "sharing"]

_COPIES, _TOLD = 10.0, 0.6
_MEMBERSHIP = "chance that an image that was trained on has a nearer nearest sample than one that was not"


def sharing(outcome: Outcome) -> Section:
    """Y against A, copies and membership, by number of real pairs."""
    figures, rows = [], []
    for n in outcome.studied:
        point = outcome.at(n)
        figures += _figures(point)
        for seed, one in sorted(point.shared.items()):
            found = "-" if one.copies is None else str(one.copies)
            rows.append(
                (
                    *(str(n), str(seed), str(one.samples), found, one.auc, one.members),
                    *(one.auc_pool, one.pool, one.others, one.why or "-"),
                )
            )
    table = Table(
        title="What the pairs give away",
        head=(
            "real pairs",
            "seed",
            "samples",
            "near-copies",
            "membership AUC",
            "members",
            "AUC of the pool",
            "images of the pool",
            "others",
            "not measured",
        ),
        rows=tuple(rows),
        note="AUC: an image is taken for a member where a sample is near it; 0.5 tells nothing, 1 tells all. The "
        "attack is the weakest that there is, so that a low figure proves nothing, and a high one does.",
    )
    return Section(
        name="share",
        title="May they be shared in place of the images?",
        summary=" ".join(share_in_words(outcome.at(n)) for n in outcome.studied),
        figures=tuple(figures),
        tables=(table,),
    )


def share_in_words(point: Point) -> str:
    """The answer with n real pairs."""
    lead, gain, copies, auc = f"With {point.n} real pairs", _gain(point), copies_per_1000(point), _auc(point)
    if gain is None or auc is None:
        return f"{lead}: not known whether they may be shared; arm Y or its samples are missing."
    real = _real_per_1000(point)
    facts = [f"arm Y against A {points_in_words(gain)}"]
    facts += (
        [] if copies is None else [f"{number(copies)} near-copies per 1,000 (of real views {number(real)})"]
    )
    beside = _auc_of_pool(point)
    of_pool = "" if beside is None else f", of the pool {beside.mean:.2f}"
    facts.append(f"membership AUC {auc.mean:.2f}{of_pool}")
    faults = ["a segmenter trained on them alone is worse by more than 1 point"] if gain.mean < LOSS else []
    faults += ["near-copies are among them"] if copies is not None and copies > max(_COPIES, real) else []
    faults += ["it can be told which images they were made from"] if _told(auc, beside) else []
    measured = f"Measured: {', '.join(facts)}."
    if faults:
        return f"{lead}: DO NOT SHARE them in place of the images: {'; '.join(faults)}. {measured}"
    if gain.low is None or copies is None:
        why = "one seed has no interval" if gain.low is None else "nobody could look for copies"
        return f"{lead}: not known whether they may be shared: {why}. {measured}"
    return f"{lead}: as far as these figures see they may be shared in place of the images. {measured}"


def _told(*attacks: Interval | None) -> bool:
    known = [auc for auc in attacks if auc is not None]
    return any(auc.mean > _TOLD or (auc.low is not None and auc.low > 0.5) for auc in known)


def _gain(point: Point) -> Interval | None:
    return point.gain(over="A", arm="Y")


def _auc(point: Point) -> Interval | None:
    return interval_of([one.auc for one in point.shared.values()]) if point.shared else None


def _auc_of_pool(point: Point) -> Interval | None:
    known = [one.auc_pool for one in point.shared.values() if one.auc_pool is not None]
    return interval_of(known) if known else None


def copies_per_1000(point: Point) -> float | None:
    """Near-copies among the samples of all seeds; None where no search was possible."""
    known = [one for one in point.shared.values() if one.copies is not None]
    count = sum(one.samples for one in known)
    return 1000 * sum(one.copies or 0 for one in known) / count if count else None


def _real_per_1000(point: Point) -> float:
    known = [one.alarms for one in point.shared.values() if one.alarms is not None]
    return 1000 * sum(known) / len(known) if known else 0.0


def _figures(point: Point) -> list[Figure]:
    n, copies, beside = point.n, copies_per_1000(point), _auc_of_pool(point)
    found = [
        figure_of(
            f"share.n{n}",
            f"Y minus A with {n} real pairs",
            _gain(point),
            unit="points",
            how="test Dice of a segmenter that saw synthetic pairs alone, minus that of one that saw the images",
        ),
        Figure(
            name=f"share_copies.n{n}",
            title=f"Near-copies per 1,000 with {n} real pairs",
            value=copies,
            real=None if copies is None else _real_per_1000(point),
            unit="per 1,000",
            how="of the pairs that arm Y learns from, by the rule that real held-out views set",
            refused="" if copies is not None else LEFT_OUT,
            better="lower",
        ),
        figure_of(
            f"share_membership.n{n}",
            f"Membership with {n} real pairs",
            _auc(point),
            unit="AUC",
            how=_MEMBERSHIP,
        ).model_copy(update={"better": "lower"}),
    ]
    if beside is not None:
        of_pool = figure_of(
            f"share_membership_pool.n{n}",
            f"Membership of the pool with {n} real pairs",
            beside,
            unit="AUC",
            how=f"{_MEMBERSHIP}; of the images without labels",
        )
        found.append(of_pool.model_copy(update={"better": "lower"}))
    return found

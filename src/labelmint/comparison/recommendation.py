"""The answer in words: which system to take for these data and minutes.

    better      a system is better than another where the interval of the difference leaves 0 out in its favor in
                one of the two figures that decide (`differences`), and in the other's favor in neither
    unfit       `evaluate` says "do not use" of the pairs of one of its trainings: such a system is never proposed
    proposed    the one fit system that is better than the default, `mint`; of several the one that no other of them
                is better than. Where none is, or where they can't be told apart from `mint`, `mint` is kept. Of those
                the answer names the ones whose pairs `evaluate` calls good where it does not call those of `mint` so.

Without `mint` among the systems, the one that is better than every other is named, and nothing is proposed in place
of the default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from labelmint.comparison.differences import Difference
from labelmint.reports.results import Verdict
from labelmint.reports.words import interval, number

__all__ = ["DEFAULT", "better", "recommendation"]

DEFAULT = "mint"


def better(one: str, other: str, found: Sequence[Difference]) -> bool:
    """Return True if a system is better than another, by the rule above."""
    favored = [each.favors for each in found if {each.one, each.other} == {one, other}]
    return one in favored and other not in favored and None not in favored


def recommendation(
    systems: Sequence[str],
    found: Sequence[Difference],
    unfit: Mapping[str, Sequence[str]],
    *,
    minutes: float,
    trainings: int,
    good: Collection[str] = (),
) -> Verdict:
    """The answer.

    Arguments:
        systems: in order. found: the differences of every two of them.
        unfit: why pairs of a system are not to be used, by system.
        trainings: of each system. good: systems of whose trainings `evaluate` calls all pairs good.
    """
    budget = f"{number(minutes)} minute{'s' if minutes != 1 else ''}"
    if all(system in unfit for system in systems):
        text = f"None of them: after {budget} no system draws pairs that can be used. Give more --minutes."
        return Verdict(level="bad", text=text, reasons=_reasons(systems, found, unfit, trainings))
    if DEFAULT in systems:
        level, text = _beside_default(systems, found, unfit, budget, good)
    else:
        level, text = _without_default(systems, found, unfit, budget)
    return Verdict(
        level="good" if level else "mixed", text=text, reasons=_reasons(systems, found, unfit, trainings)
    )


def _beside_default(
    systems: Sequence[str],
    found: Sequence[Difference],
    unfit: Mapping[str, Sequence[str]],
    budget: str,
    good: Collection[str],
) -> tuple[bool, str]:
    """Return True for a clear answer, and the answer, where the default is among the systems."""
    others = [system for system in systems if system != DEFAULT]
    above = [system for system in others if system not in unfit and better(system, DEFAULT, found)]
    best = [one for one in above if not any(better(other, one, found) for other in above)] or above
    if len(best) == 1:
        beaten = [other for other in systems if better(best[0], other, found)]
        return True, f"Take {best[0]} for these data and {budget}: it is better than {_listed(beaten)}."
    if best:
        tie = "no interval tells them apart" if _alike(best, found) else "none of them is surely the best"
        return False, (
            f"Take {' or '.join(best)} for these data and {budget}: each is better than {DEFAULT}, and {tie}."
        )
    if DEFAULT in unfit:
        return False, (
            f"Keep {DEFAULT}, the default, since nothing is surely better; but do not use its pairs after {budget}: "
            f"give more --minutes."
        )
    tied = [other for other in others if other not in unfit and not better(DEFAULT, other, found)]
    if not tied:
        return (
            True,
            f"Keep {DEFAULT}, the default: for these data and {budget} every other system is worse, or out.",
        )
    named = [one for one in tied if one in good and DEFAULT not in good]
    but = (
        f" But `evaluate` calls the pairs of {_listed(named)} good, and those of {DEFAULT} not."
        if named
        else ""
    )
    return False, (
        f"Keep {DEFAULT}, the default: for these data and {budget} nothing is surely better than it, and a tie (with "
        f"{_listed(tied)}) keeps {DEFAULT}.{but}"
    )


def _without_default(
    systems: Sequence[str], found: Sequence[Difference], unfit: Mapping[str, Sequence[str]], budget: str
) -> tuple[bool, str]:
    """Return True for a clear answer, and the answer, where the default is not among the systems."""
    fit = [system for system in systems if system not in unfit]
    best = [
        one
        for one in fit
        if all(other in unfit or better(one, other, found) for other in systems if other != one)
    ]
    beside = f"{DEFAULT}, the default, was not compared"
    if not best or not any(better(best[0], other, found) for other in systems):
        alike = not unfit and _alike(systems, found)
        tied = f"No interval tells {_listed(systems)} apart" if alike else "No system is surely the best"
        return False, f"{tied} for these data and {budget}; {beside}."
    beaten = [other for other in systems if better(best[0], other, found)]
    return True, f"Of these take {best[0]} for {budget}: it is better than {_listed(beaten)}; {beside}."


def _alike(systems: Sequence[str], found: Sequence[Difference]) -> bool:
    """Return True if no interval of a difference of two of the systems leaves 0 out."""
    return not any(each.favors for each in found if each.one in systems and each.other in systems)


def _reasons(
    systems: Sequence[str], found: Sequence[Difference], unfit: Mapping[str, Sequence[str]], trainings: int
) -> tuple[str, ...]:
    """What the answer rests on: bad pairs, the differences from the default or from the first system, cautions."""
    reasons = [f"{system} is out: {'; '.join(why)}" for system, why in unfit.items()]
    to = DEFAULT if DEFAULT in systems else systems[0]
    for other in systems:
        those = [each for each in found if {each.one, each.other} == {to, other}]
        if those:
            reasons.append(f"{those[0].one} - {those[0].other}: {'; '.join(map(_words, those))}")
    if any(each.favors is None for each in found):
        reasons.append(
            "A difference without an interval decides nothing: the table of differences says which"
        )
    if trainings == 1:
        reasons.append(
            "One training of each: the intervals say nothing of how trainings differ; --seeds 2 adds that"
        )
    return tuple(reasons)


def _words(found: Difference) -> str:
    if found.value is None:
        return f"{found.figure} not measured"
    ends = f" ({interval(found.low, found.high)})" if found.low is not None else ""
    said = {None: "", "": ", holds 0"}.get(found.favors, f", for {found.favors}")
    return f"{found.figure} {'+' if found.value > 0 else ''}{number(found.value)}{ends}{said}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]

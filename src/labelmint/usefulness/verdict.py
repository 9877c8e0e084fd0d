"""The answer of a study in words: use the synthetic pairs, no measurable difference, or do not use them.

    do not use      the interval of the gain lies below 0; or its mean is below -1 point; or the samples teach
                    too little: a segmenter trained on them alone (arm Y) has less than half of arm A's Dice,
                    or comes less than a quarter of the way from a reading that looks at no image to arm A; or
                    most of them were near-copies of training images
    use             none of these, arm Y was trained, and the interval of the gain lies above 0
    no difference   none of these, and the interval holds 0
    unknown         one seed, which has no interval; or something that the answer needs was not trained

The bounds are ours. With a pool the answer begins with the best way for these data (`best`), minting or not; it is
measurably better than arm A where its interval lies above 0, which allows for all ways at all numbers of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labelmint.reports.results import Verdict
from labelmint.reports.words import number
from labelmint.usefulness.best import best_at, rivals_at
from labelmint.usefulness.figures import Interval
from labelmint.usefulness.outcome import Outcome, Point

__all__ = ["Answer", "Kind", "answer_at", "best_in_words", "points_in_words", "study_verdict"]

Kind = Literal["use", "no difference", "do not use", "unknown"]

LOSS, TAUGHT, FROM_BLIND, COPIED = -1.0, 0.5, 0.25, 0.5
_HEADROOM = 5.0  # points, from which on a study is worth its time


@dataclass(frozen=True)
class Answer:
    """At one number of training pairs."""

    kind: Kind
    text: str


def points_in_words(gain: Interval) -> str:
    """The interval as "+2.31 points (95 % interval 0.812 to 3.80, 3 seeds)"."""
    ends = (
        f"95 % interval {number(gain.low)} to {number(gain.high)}, {gain.count} seeds"
        if gain.low is not None
        else "one seed"
    )
    return f"{gain.mean:+.2f} points ({ends})"


def answer_at(point: Point, outcome: Outcome) -> Answer:
    """The answer at one number of training pairs."""
    gain = point.gain()
    if gain is None or point.chosen is None:
        return Answer(
            "unknown", f"With {point.n} real pairs: not known; an arm that the answer needs was not trained."
        )
    faults = _faults(point, gain, outcome.blind)
    lead = f"With {point.n} real pairs"
    measured = f"{points_in_words(gain)} of Dice over arm {point.baseline}"
    if faults:
        return Answer("do not use", f"{lead}: DO NOT USE them: {'; '.join(faults)}. Measured: {measured}.")
    beside = _beside(point, outcome, gain)
    if gain.low is None:
        return Answer("unknown", f"{lead}: {measured}; take more --seeds: one has no interval{beside}.")
    if gain.low > 0 and not point.scores("Y"):
        return Answer(
            "unknown",
            f"{lead}: {measured}; arm Y, which shows whether the samples are sound, was left out{beside}.",
        )
    if gain.low > 0:
        return Answer("use", f"{lead}: use {point.chosen.words}: {measured}{beside}.")
    return Answer("no difference", f"{lead}: no measurable difference: {measured}{beside}.")


def _faults(point: Point, gain: Interval, blind: float) -> list[str]:
    """Why these samples must not be used."""
    found, alone = [], point.mean("Y")
    usual = point.mean("A", seeds=point.scores("Y"))
    if gain.high is not None and gain.high < 0:
        found.append("they make the segmenter worse, and the whole interval says so")
    elif gain.mean < LOSS:
        found.append(f"they make the segmenter worse by more than {-LOSS:g} point on average")
    if alone is not None and usual is not None and alone.mean < _least(usual.mean, blind):
        found.append(
            f"they teach too little: arm Y, which saw no others, has a Dice of {alone.mean:.3f}, arm A "
            f"{usual.mean:.3f}, a reading that "
            f"looks at no image {blind:.3f}"
        )
    copies = point.share_of_copies
    if copies is not None and copies > COPIED:
        found.append(f"{100 * copies:.0f} % of the samples drawn were near-copies of training images")
    return found


def _least(usual: float, blind: float) -> float:
    """The Dice that samples have to teach; objects that are large, or always in one place, give much of it to
    those who see nothing.
    """
    return max(TAUGHT * usual, blind + FROM_BLIND * (usual - blind) if usual > blind else 0.0)


def _beside(point: Point, outcome: Outcome, gain: Interval) -> str:
    """What the gain is worth and how much of the headroom it closes."""
    said, headroom, worth = [], outcome.headroom(point.n), outcome.worth(point, "S")
    if worth is not None and gain.mean > 0:
        said.append(f"worth {worth.words} real images ({number(worth.images / point.n)} times)")
    if headroom is not None and point.n < outcome.pool:
        share = outcome.closed(point, "S", point.baseline)
        closed = f", of which {100 * share:.0f} % are closed" if share is not None else ""
        said.append(f"headroom {headroom.mean:.2f} points{closed}")
    return f"; {'; '.join(said)}" if said else ""


def best_in_words(point: Point, outcome: Outcome) -> str:
    """The best way with n pairs, its gain over arm A and what it is worth; "" where no way was trained."""
    if not rivals_at(point, outcome):
        return ""
    best, lead = best_at(point, outcome), f"With {point.n} real pairs"
    if best is None:
        return f"{lead} no way is better than strong augmentation alone (arm A)."
    gain = f"{points_in_words(best.gain)} of Dice over arm A"
    beside = []
    if best.worth is not None:
        times = number(best.worth.images / point.n)
        beside.append(f"worth {best.worth.words} labelled images ({times} times)")
    if best.closed is not None:
        beside.append(f"{100 * best.closed:.0f} % of the headroom closed")
    text = "; ".join([gain, *beside])
    if best.gain.low is not None and best.gain.low > 0:
        return f"{lead} the best way is {best.words}: {text}."
    why = "take more --seeds: one has no interval" if best.gain.low is None else "no measurable gain"
    return f"{lead} {best.words} has the highest Dice, but {why}: {text}."


def study_verdict(outcome: Outcome) -> Verdict:
    """The answer as a whole, with an answer for each number of training pairs among its reasons."""
    if outcome.curve:
        return _of_curve(outcome)
    points = [outcome.at(n) for n in outcome.studied]
    said = [text for point in points if (text := best_in_words(point, outcome))]
    samples = _of_samples(outcome, said) if outcome.drew else None
    if not outcome.pooled:
        return samples or Verdict(
            level="mixed", text=" ".join(said) or "Only arm A was trained.", reasons=tuple(_cautions(outcome))
        )
    best = [best_at(point, outcome) for point in points]
    better = any(one is not None and one.gain.low is not None and one.gain.low > 0 for one in best)
    bad = samples is not None and samples.level == "bad"
    return Verdict(
        level="good" if better and not bad else "mixed",
        text=" ".join([*said, *([samples.text] if samples is not None else [])]),
        reasons=tuple(_cautions(outcome)) if samples is None else samples.reasons,
    )


def _of_samples(outcome: Outcome, said: list[str]) -> Verdict:
    """The answer about the synthetic pairs; what is said of the best way stands behind its own reasons."""
    answers = [(n, answer_at(outcome.at(n), outcome)) for n in outcome.studied]
    kinds = {
        kind: [n for n, answer in answers if answer.kind == kind]
        for kind in ("use", "no difference", "do not use", "unknown")
    }
    reasons = (*(answer.text for _, answer in answers), *said, *_cautions(outcome))
    if kinds["use"]:
        text = f"Use the synthetic pairs with {_listed(kinds['use'])} real pairs"
        rest = [f"do not use them with {_listed(kinds['do not use'])}" if kinds["do not use"] else ""]
        rest += [
            f"no measurable difference with {_listed(kinds['no difference'])}"
            if kinds["no difference"]
            else ""
        ]
        text = "; ".join([text, *(one for one in rest if one)]) + "."
        return Verdict(level="mixed" if kinds["do not use"] else "good", text=text, reasons=reasons)
    if kinds["do not use"]:
        rest_known = kinds["no difference"]
        text = f"DO NOT USE the synthetic pairs with {_listed(kinds['do not use'])} real pairs"
        text += f"; no measurable difference with {_listed(rest_known)}." if rest_known else "."
        return Verdict(level="bad", text=text, reasons=reasons)
    if kinds["no difference"]:
        text = (
            f"No measurable difference with {_listed(kinds['no difference'])} real pairs: nothing is gained "
            f"by these synthetic pairs."
        )
        return Verdict(level="mixed", text=text, reasons=reasons)
    return Verdict(level="mixed", text="Not known yet whether the synthetic pairs help.", reasons=reasons)


def _of_curve(outcome: Outcome) -> Verdict:
    rooms = [(n, outcome.headroom(n)) for n in outcome.learning_curve if n < outcome.pool]
    known = [(n, room.mean) for n, room in rooms if room is not None]
    wide = [n for n, room in known if room >= _HEADROOM]
    reasons = tuple(f"With {n} real pairs the headroom is {room:.2f} points of Dice." for n, room in known)
    if wide:
        found = (
            f"there is headroom of at least {_HEADROOM:g} points with {_listed(wide)} real pairs: study those"
        )
    elif known:
        found = f"nowhere are there {_HEADROOM:g} points of headroom: synthetic pairs can gain little here"
    else:
        found = "there are no two numbers of pairs to compare"
    text = f"Learning curve only: {found}."
    return Verdict(level="mixed", text=text, reasons=(*reasons, *_cautions(outcome)))


def _cautions(outcome: Outcome) -> list[str]:
    """What limits the answer."""
    found = []
    for n in outcome.studied:
        room = outcome.headroom(n)
        if room is not None and n < outcome.pool and room.mean < 1:
            found.append(
                f"With {n} real pairs there is no headroom ({room.mean:.2f} points): little can be gained there."
            )
        usual = outcome.at(n).mean("A")
        if usual is not None and usual.mean <= outcome.blind:
            found.append(
                f"With {n} real pairs arm A has a Dice of {usual.mean:.3f}, no more than a reading that "
                f"looks at no image "
                f"({outcome.blind:.3f}): the segmenter learned nothing to compare with; raise --most-steps"
            )
    for n in sorted({outcome.pool, *outcome.studied}):
        for name in ("A", "C"):
            short = [
                one.result.steps
                for one in outcome.at(n).arms.get(name, {}).values()
                if not one.result.plateau
            ]
            if short:
                found.append(
                    f"The baseline may be weak: arm {name} with {n} pairs was stopped at {max(short)} steps, "
                    f"before its loss on held-out pairs "
                    "was at a plateau; raise --most-steps"
                )
    unseen = [
        n
        for n in outcome.studied
        if outcome.at(n).chosen is not None and outcome.at(n).share_of_copies is None
    ]
    if unseen:
        found.append(
            f"Nobody looked for copies of training images among the samples with {_listed(unseen)} real "
            f"pairs: no gate was used."
        )
    if outcome.given:
        found.append(
            "The synthetic pairs were given: intervals hold for seeds of the segmenter, not for another set "
            "of pairs."
        )
    if outcome.left_out:
        found.append(
            f"The budget left out {len(outcome.left_out)} pieces of work; run the same command again to go "
            f"on."
        )
    return found


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + (" and " if len(numbers) > 1 else "") + str(numbers[-1])

"""The answer in words: may these pairs be used?

    good    obedience ratio >= 0.8; at most 20 copies per 1,000, surely at most 100, and all positions
            searched; coverage at least 0.7 of what real views reach; objects an image that differ from those
            of test layouts by a total variation of at most 0.25 more than those of training layouts do
    bad     obedience ratio < 0.5, no class that the test part holds, more than 100 copies per
            1,000, coverage below a tenth of what real views reach, or a total variation more than 0.7 above
            that of training layouts
    mixed   what lies between, and whatever could not be measured

Samples of one layout have no interval of copies, so nothing is sure; without any copy the upper end is 3,000 over
the number of layouts, so that it takes 30.
Images without labels are judged by copies and coverage alone.
The bounds are ours. Whether the pairs help a segmenter is another question, which only training one answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from labelmint.reports.results import Figure, Verdict

__all__ = ["verdict"]

Level: TypeAlias = Literal["good", "mixed", "bad"]

OBEDIENT, DISOBEDIENT = 0.8, 0.5
FEW_COPIES, MANY_COPIES = 20.0, 100.0
VARIED, COLLAPSED = 0.7, 0.1
ALIKE, UNLIKE = 0.25, 0.7

_WORDS: dict[Level, str] = {
    "good": "Labels are true, images are new and varied: worth training on.",
    "mixed": "Usable with care: look at the reasons first.",
    "bad": "Do not use these pairs.",
}


_WORDS_OF_IMAGES: dict[Level, str] = {
    "good": "Images are new and varied. They have no labels, so of labels nothing is said.",
    "mixed": "Usable with care: look at the reasons first. Images have no labels, so of labels nothing is said.",
    "bad": "Do not use these images.",
}


def verdict(figures: Mapping[str, Figure]) -> Verdict:
    """The verdict on the figures of an evaluation."""
    copies = figures["memorization.copies_per_1000"]
    whole = "memorization.searched" not in figures or figures["memorization.searched"].value == 100
    best = figures["fidelity.coverage"].real or 1.0
    labelled = "obedience.ratio" in figures
    found = [
        *(
            [_judged(figures["obedience.ratio"], lambda v: v >= OBEDIENT, lambda v: v < DISOBEDIENT)]
            if labelled
            else []
        ),
        _judged(
            copies,
            lambda v: v <= FEW_COPIES and copies.high is not None and copies.high <= MANY_COPIES and whole,
            lambda v: v > MANY_COPIES,
        ),
        _judged(figures["fidelity.coverage"], lambda v: v >= VARIED * best, lambda v: v < COLLAPSED * best),
    ]
    if "obedience.classes" in figures:
        found.append(_judged(figures["obedience.classes"], lambda v: v > 0, lambda v: v == 0))
    if "layouts.total_count_variation" in figures:
        counts = figures["layouts.total_count_variation"]
        usual = counts.real or 0.0
        found.append(_judged(counts, lambda v: v <= usual + ALIKE, lambda v: v > usual + UNLIKE))
    levels: set[Level] = {level for level, _ in found}
    level: Level = "bad" if "bad" in levels else "mixed" if "mixed" in levels else "good"
    words = _WORDS if labelled else _WORDS_OF_IMAGES
    return Verdict(level=level, text=words[level], reasons=tuple(text for _, text in found))


def _judged(figure: Figure, good: Callable[[float], bool], bad: Callable[[float], bool]) -> tuple[Level, str]:
    if figure.value is None:
        return "mixed", f"{figure.title}: not measured ({figure.refused})"
    level: Level = "good" if good(figure.value) else "bad" if bad(figure.value) else "mixed"
    beside = f", real data {figure.real:.3g}" if figure.real is not None else ""
    said = {"good": "as it should be", "mixed": "short of what is wanted", "bad": "bad"}[level]
    return level, f"{figure.title} {figure.value:.3g}{beside}: {said}"

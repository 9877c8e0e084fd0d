"""What a filtered export says of its filter: rejected.jsonl, rejected.png, and a section of README.md.

Near-copies are named and never shown: what is withheld must not leave with the data set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelmint.datasets.scaling import as_channels
from labelmint.pictures import image_grid, overlay
from labelmint.synthesis.filter_facts import FilterFacts
from labelmint.synthesis.refill import Selection
from labelmint.synthesis.verdicts import Reason, Verdict
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

__all__ = ["about_filter", "shown", "write_rejected"]

SHOWN = 12


def shown(selection: Selection) -> list[Verdict]:
    """The rejected candidates that are drawn: those of the least agreement, the worst first."""
    visible = [verdict for verdict in selection.rejected if verdict.reason is not Reason.NEAR_COPY]
    return sorted(visible, key=lambda verdict: (verdict.agreement, verdict.index))[:SHOWN]


def write_rejected(
    selection: Selection,
    worst: Sequence[AnnotatedImage],
    readings: Sequence[Array],
    classes: ClassSet,
    folder: Path,
) -> None:
    """rejected.jsonl, and rejected.png of the pairs that `shown` names, each with the class ids (H, W) that the judge
    reads from its image; no picture where there are none.
    """
    rows = [
        {
            "index": verdict.index,
            "name": f"synthetic_{verdict.index:06d}",
            "reason": str(verdict.reason),
            **verdict.facts,
        }
        for verdict in selection.rejected
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rejected.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    if worst:
        _picture(worst, readings, classes, folder / "rejected.png")


def _picture(
    worst: Sequence[AnnotatedImage], readings: Sequence[Array], classes: ClassSet, path: Path
) -> None:
    """In threes: the image, its label, what the judge reads."""
    tiles: list[Array] = []
    for pair, ids in zip(worst, readings, strict=True):
        read = overlay(pair.image, Layout(label_map=ids), classes)
        image = as_channels(pair.image, 3)
        tiles += [image, overlay(pair.image, pair.layout, classes), read]
    image_grid(tiles, path, columns=6)


def about_filter(selection: Selection, facts: FilterFacts) -> dict[str, Any]:
    """What `provenance.card` is told."""
    counts, settings = selection.outcome["dropped"], facts.settings
    views = settings["real_views"]
    beside = " and of the images without labels" if "unlabelled" in settings else ""
    lines = [
        f"- {len(selection.verdicts)} candidates were drawn for {len(selection.accepted)} pairs; what was "
        f"dropped leaves gaps in the "
        "numbers.",
        f"- {counts[Reason.DISAGREES]} dropped: agreement of image and label under {settings['threshold']:.3f}, "
        f"which at most {int(settings['share'] * views)} of {views} real validation views fall below.",
    ]
    if settings["mode"] == "ignore":
        lines += [
            f"- {counts[Reason.DOUBTFUL]} dropped: more than half of their pixels, or of their objects' "
            f"pixels, were doubtful.",
            "- In the pairs that were kept, pixels whose class the judge finds less probable than 1 % of the "
            "real validation pixels of "
            "that class are written as ignored.",
        ]
    lines += [
        f"- {counts[Reason.NEAR_COPY]} withheld: near-copies of training images{beside}, by a ratio of distances "
        f"under {selection.copy_threshold:.2f}, set on real validation images. Copies that are zoomed by much are not "
        f"found.",
        f"- The judge: a U-Net trained on the real training pairs alone, Dice {facts.dice:.2f} on the validation "
        f"pairs, weights SHA-256 "
        f"`{settings['judge']}`. It errs, too: what it keeps is likelier to be right, not certain.",
        "- `rejected.png` shows, in threes, image, label and the judge's reading of those that agree least; "
        "near-copies are not shown.",
    ]
    return {**settings, "most": len(selection.verdicts), "lines": lines}

"""The export of checked labels: a data set, whole or not at all, and beside it

labels.csv       a line a pair: whether its label is as it was minted or was corrected by hand, and how much
sent_back.txt    names of the images whose label was sent back
settings.json    which labels these are, how they were minted, and how many were accepted
README.md        the data-set card, with the same in words
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelmint import formats
from labelmint.errors import InputError
from labelmint.formats.files import in_place_of, new_folder
from labelmint.storage import write_aside, write_json, write_text
from labelmint.studio.checking import ACCEPTED, CORRECTED, LEFT, SENT_BACK, Checking, Line
from labelmint.version import __version__

if TYPE_CHECKING:
    from labelmint.types import AnnotatedImage, DataSet, Layout

__all__ = ["write_checked"]

_HOW = {ACCEPTED: "minted, accepted by hand", CORRECTED: "minted, corrected by hand"}
_SETTINGS = "settings.json"


class _Loader:
    """name -> AnnotatedImage with its label as it was checked; how much of it changed is noted in `changed`."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking
        self.changed: dict[str, float] = {}

    def __call__(self, name: str) -> AnnotatedImage:
        return self._checked(self._checking.data.load(name))

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, whose image is decoded when that is asked for."""
        return self._checked(self._checking.data.undecoded(name))

    def _checked(self, pair: AnnotatedImage) -> AnnotatedImage:
        layout = self._checking.correction(pair.name)
        if layout is None:
            return pair
        self.changed[pair.name] = _share_changed(pair.layout, layout)
        return pair.with_layout(layout)


def write_checked(checking: Checking, format: str = "folder") -> list[str]:
    """Write accepted and corrected pairs to `checking.out`. An earlier export of the same labels is replaced, which
    stays whole until the new one is.

    Returns what the format does not carry, a line each.

    Raises InputError where nothing was accepted, for a format that can't be written, and an OUT that is taken by
    anything else; OSError where nothing more can be written.
    """
    out = checking.out
    taken = [line for line in checking.lines if line.state in _HOW]
    if not taken:
        raise InputError("nothing was accepted yet; accept or correct a label first")
    again = checking.is_exported
    formats.check_target(out / "new" if again else out, format=format, classes=checking.data.classes)
    loader, lost = _Loader(checking), list[str]()
    with in_place_of(out) if again else new_folder(out) as folder:
        formats.write(
            _data(checking, taken, loader),
            folder,
            format=format,
            classes=checking.data.classes,
            tell=lambda finding: lost.append(finding.text),
        )
        _describe(checking, taken, loader, folder, format)
    return lost


def _data(checking: Checking, taken: Sequence[Line], loader: _Loader) -> DataSet:
    """The pairs that were taken; parts of the pool are none of those who learn from them."""
    return replace(
        checking.data,
        names=tuple(sorted(line.name for line in taken)),
        load=loader,
        train=None,
        validation=None,
        test=None,
        findings=(),
        origins=(),
    )


def _describe(checking: Checking, taken: Sequence[Line], loader: _Loader, folder: Path, format: str) -> None:
    """All files beside the pairs."""
    back = sorted(line.name for line in checking.lines if line.state == SENT_BACK)
    write_text(folder / "sent_back.txt", "".join(f"{name}\n" for name in back))
    with (
        write_aside(folder / "labels.csv") as aside,
        aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["name", "label", "changed", "doubt"])
        for line in sorted(taken, key=lambda line: line.name):
            doubt = "" if line.doubt is None else f"{line.doubt.doubt:.6f}"
            rows.writerow([line.name, _HOW[line.state], f"{loader.changed.get(line.name, 0.0):.6f}", doubt])
    facts = _facts(checking, format)
    write_json(folder / _SETTINGS, facts)
    card = folder / "README.md"
    write_text(card, f"{card.read_text(encoding='utf-8')}\n{_section(facts)}")


def _facts(checking: Checking, format: str) -> dict[str, Any]:
    counts = checking.counts
    return {
        "made_by": f"labelmint {__version__}, studio",
        "labels": checking.data.source,
        "labels_digest": checking.digest,
        "minted_by": {key: checking.facts.get(key) for key in ("made_by", "settings", "labelled_images")},
        "accepted": counts[ACCEPTED],
        "corrected": counts[CORRECTED],
        "sent_back": counts[SENT_BACK],
        "left": counts[LEFT],
        "format": format,
    }


def _section(facts: dict[str, Any]) -> str:
    """What the labels are, for the data-set card."""
    return (
        "## Checked labels\n\n"
        "**The images are real, and their labels were minted by segmenters and then checked by a person.** "
        f"Accepted as they were minted: {facts['accepted']}. Corrected by hand: {facts['corrected']}. `labels.csv` "
        "says which. Pixels that the segmenters doubted are ignored unless a person painted them.\n\n"
        f"Not among them: {facts['sent_back']} that were sent back (`sent_back.txt`), and {facts['left']} that nothing "
        f"was decided about.\n\nMade by {facts['made_by']}; `settings.json` says how the labels were minted.\n"
    )


def _share_changed(one: Layout, other: Layout) -> float:
    """The share of the pixels with another class, or of another object."""
    changed = one.label_map != other.label_map
    if one.instances is not None and other.instances is not None:
        changed = changed | (one.instances != other.instances)
    return float(np.mean(changed))

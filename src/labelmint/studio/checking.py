"""Minted labels that a person checks, most doubtful first; plain Python, without HTTP.

    LABELS                 a data set that `labelmint label` made, with its doubt.csv
    OUT                    what was accepted, as it was minted or corrected, once it is exported
    OUT-progress/          what was decided so far; it outlives the page and the studio
        progress.json      of which labels, and by name what was decided
        0003.npz           a correction: the label map, and objects where the labels have such

An image is read when it is shown, one at a time.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from labelmint import formats
from labelmint.errors import InputError
from labelmint.pool.doubtful import DOUBT, Row, read_rows
from labelmint.storage import read_mark, refuse_taken, write_arrays, write_json
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

__all__ = ["ACCEPTED", "CORRECTED", "LEFT", "SENT_BACK", "Checking", "Line", "open_checking"]

LEFT, ACCEPTED, CORRECTED, SENT_BACK = "left", "accepted", "corrected", "sent back"
_VERSION = 1
_PROGRESS = "progress.json"


@dataclass
class Line:
    """A minted label: its doubt (None where doubt.csv lacks it), what was decided, and whether it was corrected."""

    name: str
    doubt: Row | None
    decided: str = LEFT  # LEFT, ACCEPTED or SENT_BACK
    corrected: bool = False

    @property
    def state(self) -> str:
        """LEFT, ACCEPTED, CORRECTED or SENT_BACK."""
        return CORRECTED if self.corrected and self.decided == ACCEPTED else self.decided


class Checking:
    """The labels of a pool and what was decided about them.

    Arguments:
        data: minted labels. rows: of doubt.csv. out: the folder to export to.
        facts: settings.json of the labels. labels: the folder that they lie in, if any.

    Attributes:
        lines: the most doubtful first; a place below is a place among them.
        told: what of an earlier start could not be gone on with, a line each.

    Raises InputError where OUT-progress is of other labels.
    """

    def __init__(
        self,
        data: DataSet,
        rows: Sequence[Row],
        out: Path,
        facts: Mapping[str, Any] | None = None,
        labels: Path | None = None,
    ) -> None:
        self.data, self.out, self.facts, self.labels = data, out, dict(facts or {}), labels
        by_name = {row.name: row for row in rows}
        names = set(data.names)
        order = [row.name for row in rows if row.name in names]
        rest = [name for name in data.names if name not in by_name]
        self.lines = [Line(name, by_name.get(name)) for name in (*dict.fromkeys(order), *rest)]
        self._by_name = {line.name: line for line in self.lines}
        self.progress = out.resolve().with_name(f"{out.resolve().name}-progress")
        self.told = list[str]()
        self._digest = _digest([line.name for line in self.lines], rows, self.facts)
        self._numbers = {name: number for number, name in enumerate(data.names)}
        self._last: AnnotatedImage | None = None
        self._reading = Lock()
        self._resume()

    @property
    def counts(self) -> dict[str, int]:
        """How many labels are in each state."""
        found = Counter(line.state for line in self.lines)
        return {state: found[state] for state in (ACCEPTED, CORRECTED, SENT_BACK, LEFT)}

    @property
    def digest(self) -> str:
        """Tells these labels from all others."""
        return self._digest

    @property
    def is_exported(self) -> bool:
        """True if OUT is an export of these labels, which the next one replaces."""
        file = self.out / "settings.json"
        return file.is_file() and read_mark(file).get("labels_digest") == self._digest

    def line(self, place: int) -> Line:
        """A label; raises InputError for a place that is none."""
        if not 0 <= place < len(self.lines):
            raise InputError(f"place: expected 0 to {len(self.lines) - 1}, got {place}")
        return self.lines[place]

    def minted(self, place: int) -> AnnotatedImage:
        """The image with the label that was minted for it."""
        name = self.line(place).name
        with self._reading:
            if self._last is None or self._last.name != name:
                self._last = self.data.load(name)
            return self._last

    def pair(self, place: int) -> AnnotatedImage:
        """The image with its label as it is now, corrected or not."""
        pair, layout = self.minted(place), self.correction(self.line(place).name)
        return pair if layout is None else pair.with_layout(layout)

    def correction(self, name: str) -> Layout | None:
        """The corrected label of an image; None where there is none. Raises InputError where it is lost."""
        if not self._by_name[name].corrected:
            return None
        try:
            with np.load(self._file(name), allow_pickle=False) as stored:
                instances = stored.get("instances")
                return Layout(label_map=stored["label_map"], instances=instances)
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            raise InputError(
                f"{self._file(name)}: the correction of {name!r} is gone; take it back, and correct it again"
            ) from None

    def decide(self, place: int, decided: str) -> None:
        """Accept a label, send it back, or neither. Raises InputError for anything else."""
        if decided not in (LEFT, ACCEPTED, SENT_BACK):
            raise InputError(f"mark: expected {ACCEPTED}, {SENT_BACK} or {LEFT}, got {decided!r}")
        line = self.line(place)
        self._store(line, decided, line.corrected)

    def correct(self, place: int, label_map: Array, instances: Array | None) -> None:
        """Accept a label as a person changed it; one that equals the minted one is accepted as that.

        Arguments:
            label_map, instances: (H, W), of the image's size; instances where minted labels have them, else None.

        Raises InputError for other sizes and ids that are no classes.
        """
        minted = self.minted(place).layout
        if label_map.shape != minted.size or (instances is not None and instances.shape != minted.size):
            raise InputError(f"expected a label of {minted.size[0]}x{minted.size[1]} pixels")
        unknown = self.data.classes.unknown(label_map)
        if unknown:
            raise InputError(f"{min(unknown)} is the id of no class; known: {_listed(self.data)}")
        layout = _layout(label_map, instances if minted.instances is not None else None)
        line, changed = self.line(place), not _equal(layout, minted)
        if changed:
            arrays = {"label_map": layout.label_map}
            if layout.instances is not None:
                arrays["instances"] = layout.instances
            self._begin()
            write_arrays(self._file(line.name), arrays)
        self._store(line, ACCEPTED, changed)

    def revert(self, place: int) -> None:
        """Take the correction of a label back, and what was decided about it."""
        self._store(self.line(place), LEFT, False)

    # What was decided, on disk ----------------------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        return self.progress / f"{self._numbers[name]:04d}.npz"

    def _begin(self) -> None:
        self.progress.mkdir(parents=True, exist_ok=True)

    def _store(self, line: Line, decided: str, corrected: bool) -> None:
        """Decide about a label; where that can't be written, all stays as it was."""
        before = line.decided, line.corrected
        line.decided, line.corrected = decided, corrected
        try:
            self._write()
        except OSError:
            line.decided, line.corrected = before
            raise

    def _write(self) -> None:
        decided = {
            line.name: {"decided": line.decided, "corrected": line.corrected}
            for line in self.lines
            if line.corrected or line.decided != LEFT
        }
        self._begin()
        about = {"version": _VERSION, "labels": self.data.source, "digest": self._digest}
        write_json(self.progress / _PROGRESS, {**about, "decided": decided})

    def _resume(self) -> None:
        """Go on with what was decided before."""
        file = self.progress / _PROGRESS
        if not file.is_file():
            return
        stored = read_mark(file)
        if stored.get("digest") != self._digest or stored.get("version") != _VERSION:
            of = f"of other labels, {stored['labels']}" if "labels" in stored else "damaged"
            raise InputError(f"{self.progress}: is {of}; give another --checked, or remove it")
        decided = stored.get("decided")
        for line in self.lines:
            entry = decided.get(line.name) if isinstance(decided, dict) else None
            if not isinstance(entry, dict) or entry.get("decided") not in (LEFT, ACCEPTED, SENT_BACK):
                continue
            line.decided, line.corrected = entry["decided"], entry.get("corrected") is True
            if line.corrected and not self._file(line.name).is_file():
                line.decided, line.corrected = LEFT, False
                self.told.append(f"the correction of {line.name!r} is gone, so its label is left to check")


def open_checking(labels: Path, out: Path | None = None) -> Checking:
    """The labels that `labelmint label` wrote into a folder, ready to be checked.

    Arguments:
        out: the folder to export to; LABELS-checked unless given.

    Raises InputError for another folder, an OUT inside of it, and one that is taken by something else.
    """
    rows = read_rows(labels / DOUBT)
    out = labels.resolve().with_name(f"{labels.resolve().name}-checked") if out is None else out
    if labels.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f"--checked {out}: lies inside of the labels; name a folder elsewhere")
    checking = Checking(formats.read(labels), rows, out, read_mark(labels / "settings.json"), labels)
    if not checking.is_exported:  # nobody is to check labels that can't be exported
        refuse_taken(out)
    return checking


def _digest(names: Sequence[str], rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """SHA-256 of what tells minted labels from others, wherever they lie."""
    told = [list(names), [[row.name, row.kept, row.doubt, row.refused] for row in rows], dict(facts)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _layout(label_map: Array, instances: Array | None) -> Layout:
    """A layout with maps of the smallest type."""
    small = [
        None if one is None else one.astype(np.uint8 if int(one.max(initial=0)) < 256 else np.uint16)
        for one in (label_map, instances)
    ]
    assert small[0] is not None
    return Layout(label_map=small[0], instances=small[1])


def _equal(one: Layout, other: Layout) -> bool:
    if not np.array_equal(one.label_map, other.label_map):
        return False
    if one.instances is None or other.instances is None:
        return one.instances is other.instances
    return np.array_equal(one.instances, other.instances)


def _listed(data: DataSet) -> str:
    return ", ".join(map(str, (*data.classes.ids, *data.classes.ignore)))

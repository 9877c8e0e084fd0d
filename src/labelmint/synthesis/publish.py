"""Chunks become data sets: written beside the chunks, then moved into their places.

Chunks lie in the format `folder` already, so for that format files are only linked, and no image is encoded
again for others. A data set is written into TARGET.partial, so that it takes its place by a rename whatever
disk that is on.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol

import numpy as np

from labelmint import pictures
from labelmint.formats import FORMATS
from labelmint.formats.croissant import write_croissant
from labelmint.formats.files import new_folder
from labelmint.formats.folder import Stored, write_folder
from labelmint.formats.format import Format, ImageFormat, Writing
from labelmint.formats.losses import Losses
from labelmint.formats.numbers import numbered
from labelmint.synthesis.chunks import Row, partial_of
from labelmint.synthesis.export import Export, settings_text
from labelmint.synthesis.filter import with_ignored
from labelmint.synthesis.provenance import card, contents, manifest_row
from labelmint.synthesis.refill import Selection
from labelmint.synthesis.rejected import about_filter, shown, write_rejected
from labelmint.synthesis.verdicts import Verdict
from labelmint.types import AnnotatedImage, Array, ClassSet

__all__ = [
    "ON_THE_SHEET",
    "Chunks",
    "in_order",
    "publish",
    "section",
    "versions_here",
    "write_metadata",
    "write_pairs",
]

ON_THE_SHEET = 24
LAYOUTS_ON_THE_SHEET, IMAGES_OF_A_LAYOUT, COLUMNS = 8, 39, 5


@dataclass(frozen=True)
class _One:
    """A pair that is wanted."""

    index: int
    chunk: int
    row: Row
    verdict: Verdict | None

    @property
    def changed(self) -> bool:
        """True if its label is written otherwise than it was drawn."""
        return self.verdict is not None and self.verdict.doubtful is not None


class Chunks(Protocol):
    """Where candidates lie that were drawn: `synthesis.chunks.ChunkFolder`, or several of these."""

    def rows(self, chunk: int) -> dict[int, Row]:
        """The samples of a chunk, by index."""

    def pair(self, chunk: int, name: str) -> AnnotatedImage:
        """One of them, decoded when its pixels are asked for."""

    def folder(self, chunk: int) -> Path:
        """Where the files of a chunk lie."""

    def readings(self, indices: Collection[int]) -> dict[int, Array]:
        """What the judge read from dropped candidates: class ids (H, W), by index."""


class _Wanted:
    """The pairs that are wanted, by rising index."""

    def __init__(self, export: Export, folder: Chunks, selection: Selection | None) -> None:
        self._export, self._folder = export, folder
        self._verdicts: dict[int, Verdict | None] = dict.fromkeys(
            range(export.start, export.start + export.n)
        )
        if selection is not None:
            self._verdicts = {verdict.index: verdict for verdict in selection.accepted}

    def __iter__(self) -> Iterator[_One]:
        for chunk, indices in groupby(self._verdicts, key=self._export.chunk_of):
            rows = self._folder.rows(chunk)
            for index in indices:
                yield _One(index, chunk, rows[index], self._verdicts[index])

    def pair(self, one: _One) -> AnnotatedImage:
        """The pair as it is written; its image is not decoded before that is asked for."""
        pair = self._folder.pair(one.chunk, one.row.name)
        return (
            with_ignored(pair, one.verdict.doubtful, self._export.classes)
            if one.verdict is not None
            else pair
        )

    def stored(self, one: _One) -> Stored:
        """Where it lies as it was drawn."""
        return Stored(one.row.name, self._folder.folder(one.chunk))

    def drawn(self, index: int) -> AnnotatedImage:
        """Any candidate, as it was drawn."""
        chunk = self._export.chunk_of(index)
        return self._folder.pair(chunk, self._folder.rows(chunk)[index].name)


def publish(
    export: Export,
    folder: Chunks,
    selection: Selection | None,
    targets: Mapping[str, Path],
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write every target, by its format; when all are written they take their places, in the order given.

    Arguments:
        versions: of what drew the samples, for the card; those of this process unless given.
    """
    staged = {}
    for format, target in targets.items():
        staged[target] = partial_of(target) / f"data-{format}"
        shutil.rmtree(staged[target], ignore_errors=True)
        staged[target].parent.mkdir(parents=True, exist_ok=True)
        _write(export, folder, selection, staged[target], format, versions or versions_here())
    for target, ready in staged.items():
        if target.is_dir():
            target.rmdir()
        ready.replace(target)


def _write(
    export: Export,
    folder: Chunks,
    selection: Selection | None,
    path: Path,
    format: str,
    versions: Mapping[str, str],
) -> None:
    """One data set: pairs, manifest.jsonl, contact_sheet.png, settings.json, README.md, croissant.json; and
    per_layout.png where pairs share layouts.
    """
    classes = export.classes
    wanted = _Wanted(export, folder, selection)
    with new_folder(path) as data:
        lost = _write_pairs(wanted, data, classes, FORMATS[format], export.image_format)
    objects, pixels = _write_manifest(export, wanted, path / "manifest.jsonl")
    pictures.contact_sheet(
        [wanted.pair(one) for one in islice(wanted, ON_THE_SHEET)], classes, path / "contact_sheet.png"
    )
    if export.origin.per_layout > 1:
        _write_per_layout(export, wanted, path / "per_layout.png")
    (path / "settings.json").write_text(settings_text(export, format, selection), encoding="utf-8")
    about, last = None, export.start + export.n - 1
    if export.filter is not None and selection is not None:
        about, last = about_filter(selection, export.filter), selection.verdicts[-1].index
        worst = [verdict.index for verdict in shown(selection)]
        readings, drawn = folder.readings(worst), [wanted.drawn(index) for index in worst]
        write_rejected(selection, drawn, [readings[index] for index in worst], classes, path)
    text = card(
        export.origin,
        n=export.n,
        indices=(export.start, last),
        filtered=about,
        size=export.origin.written_size(export.size),
        format=format,
        objects=objects,
        pixels={name: pixels[name] for name in in_order(classes.names, pixels)},
        versions=versions,
        images=export.image_format,
        labelled=classes.labelled,
    )
    doubtful = export.cautions if selection is None else (*export.cautions, *selection.cautions)
    text += section("Doubtful", doubtful) + section("Not carried over", lost)
    (path / "README.md").write_text(text, encoding="utf-8", newline="\n")
    write_metadata([one.row.name for one in wanted], classes, export.origin.system, path, format)


def write_metadata(names: Sequence[str], classes: ClassSet, system: str, path: Path, format: str) -> None:
    """croissant.json of synthetic pairs, by their names."""
    numbers = FORMATS[format].numbers
    drawn = "each drawn together with its label" if classes.labelled else "without labels"
    what = f"{len(names)} synthetic images, {drawn}, in the format {format}."
    listed = numbered(classes, numbers(classes)) if numbers else classes
    write_croissant(path, names, listed, name=f"labelmint-{system}", description=what)


def _write_pairs(
    wanted: _Wanted, data: Path, classes: ClassSet, format: Format, image_format: ImageFormat
) -> list[str]:
    """The pairs alone; return what the format does not carry. The chunks hold PNGs, which are linked or copied where
    PNGs are wanted.
    """
    if image_format == "png" and format.name == "folder":
        linked = (wanted.pair(one) if one.changed else wanted.stored(one) for one in wanted)
        write_folder(linked, data, classes)
        return []
    return write_pairs(map(wanted.pair, wanted), data, classes, format, image_format)


def write_pairs(
    pairs: Iterable[AnnotatedImage], data: Path, classes: ClassSet, format: Format, image_format: ImageFormat
) -> list[str]:
    """Write pairs into a folder that exists; return what the format does not carry, a line each."""
    assert format.writes is not None
    losses = Losses(format, classes)
    writing = Writing(image_format=image_format, change=losses.change)
    format.writes(losses.counted(pairs), data, classes, writing)
    return [finding.text for finding in losses.findings()]


def _write_manifest(export: Export, wanted: _Wanted, file: Path) -> tuple[Counter[str], Counter[str]]:
    """One line a pair; answers the objects and the pixels of all of them, by class."""
    objects: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        for one in wanted:
            holds = contents(wanted.pair(one).layout, export.classes) if one.changed else one.row.holds
            objects.update(holds["objects"])
            pixels.update(holds["pixels"])
            judged = {} if one.verdict is None else one.verdict.facts
            facts = {**one.row.moved, **export.range_of(one.index), **judged}
            lines.write(
                manifest_row(
                    one.row.name, export.origin, one.index, export.source_of(one.index), holds, facts
                )
            )
    return objects, pixels


def _write_per_layout(export: Export, wanted: _Wanted, file: Path) -> None:
    """A sheet of the first layouts, each painted alone and followed by its images."""
    each, cells = export.origin.per_layout, list[Array]()
    for _, some in islice(groupby(wanted, lambda one: one.index // each), LAYOUTS_ON_THE_SHEET):
        pairs = [wanted.pair(one) for one in islice(some, IMAGES_OF_A_LAYOUT)]
        block = [pictures.painted(pairs[0].layout, export.classes), *(pair.image for pair in pairs)]
        cells += block + [np.full_like(block[0], 255)] * (-len(block) % COLUMNS)
    pictures.image_grid(cells, file, columns=COLUMNS)


def in_order(names: tuple[str, ...], found: Mapping[str, int]) -> list[str]:
    """The names that were found, in order of the first."""
    return [name for name in names if name in found] + sorted(set(found) - set(names))


def section(head: str, lines: Sequence[str]) -> str:
    """A section of README.md; nothing where it has no lines."""
    return "\n".join(["", f"## {head}", "", *(f"- {line}" for line in lines), ""]) if lines else ""


def versions_here() -> dict[str, str]:
    """Versions of what decides the bytes."""
    import platform
    from importlib.metadata import version

    return {
        "Python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pillow")},
    }

"""Chunks of samples on disk, so that a stopped export goes on without drawing anything twice.

    OUT.partial/settings.json      what decides the samples; other settings are refused
    OUT.partial/chunk-000012/      samples of chunk 12 as a data set in the format `folder`, and rows.json:
                                   what their layouts hold, and the CRC-32 of every file
    OUT.partial/verdicts-000000384.npz   with a filter: what it decided about candidates 384 and on, as many
                                         as were judged at once

A file or a chunk is written aside and renamed, so it is there whole or not at all; one that has been damaged
since is made again. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import new_folder
from labelmint.formats.folder import read_folder, write_folder
from labelmint.formats.images_alone import read_images
from labelmint.storage import alone, write_arrays, write_json
from labelmint.synthesis.provenance import contents, moved_from
from labelmint.synthesis.settings import difference, read_settings
from labelmint.synthesis.verdicts import Reason, Verdict
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet

__all__ = ["ChunkFolder", "Row", "at_work", "partial_of", "refuse_left_over", "remove_partial"]

_ROWS = "rows.json"
_MAPS = ("doubtful", "read")  # arrays of verdicts
_OURS = re.compile(r"\.?(settings\.json|shard\.json|chunk-\d|verdicts-\d|data-|manifest)")
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


class Row(NamedTuple):
    """A sample of a chunk: its name, counts of objects and of pixels by class (`provenance.contents`), and the names of
    the training images that it was made of, if it was (`provenance.moved_from`).
    """

    name: str
    holds: dict[str, dict[str, int]]
    moved: dict[str, str]


def partial_of(out: Path) -> Path:
    """The folder beside OUT for what is not yet whole."""
    whole = Path(os.path.abspath(out))  # noqa: PTH100 - unlike resolve() it keeps a link's own name
    return whole.with_name(f"{whole.name}.partial")


def refuse_left_over(folder: Path) -> None:
    """Raise InputError where the folder for what is not yet whole holds anything: of a stopped command, or of one that
    still works there.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return  # killed before it wrote anything
    if folder.exists():
        with alone(folder) if folder.is_dir() else nullcontext():
            raise InputError(
                f"{folder}: a stopped command left its samples there; add --resume to go on, or remove that "
                f"folder"
            )


@contextmanager
def at_work(out: Path) -> Iterator[None]:
    """A block in which no other command works in the folder beside OUT, which goes where it is left empty.

    Raises InputError where another one does.
    """
    with alone(partial_of(out)):
        try:
            yield
        finally:
            with suppress(OSError):  # it holds something, or was moved to its place
                partial_of(out).rmdir()


def remove_partial(out: Path) -> None:
    """Remove that folder where it is there and holds nothing that an export does not write."""
    folder = partial_of(out)
    if folder.is_dir() and all(_OURS.match(path.name) for path in folder.iterdir()):
        shutil.rmtree(folder)


class ChunkFolder:
    """The chunks of one export.

    Arguments:
        path: the folder; made when it is missing.
        settings: what decides the samples, as plain JSON values.
        classes: of the samples.
        resume: go on with a folder that is there.

    Raises InputError when the folder holds anything and `resume` is False, or when it was made with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any], classes: ClassSet, *, resume: bool) -> None:
        self.path, self.classes = path, classes
        self._opened: tuple[int, DataSet] | None = None
        file = path / "settings.json"
        if not resume and path.exists() and any(path.iterdir()):
            raise InputError(f"{path}: holds samples already; resume, or remove that folder")
        if file.is_file():
            self._check(file, settings)
            for cut_short in path.glob(".chunk-*.partial"):
                shutil.rmtree(cut_short)
            return
        path.mkdir(parents=True, exist_ok=True)
        write_json(file, settings)

    def _check(self, file: Path, settings: dict[str, Any]) -> None:
        before = read_settings(file)
        if before is None:
            raise InputError(f"{file}: damaged; remove {self.path} and start again")
        other = difference(before, settings)
        if other is not None:
            raise InputError(f"{self.path}: was begun with {other}, or remove that folder and start again")

    def save(self, chunk: int, pairs: Mapping[int, AnnotatedImage]) -> None:
        """Write those pairs of a chunk, by index, that are of use."""
        shutil.rmtree(self.folder(chunk), ignore_errors=True)  # what was damaged
        rows = {
            index: Row(pair.name, contents(pair.layout, self.classes), moved_from(pair))
            for index, pair in pairs.items()
        }
        with new_folder(self.folder(chunk), clears=False) as folder:  # one of very many
            write_folder(pairs.values(), folder, self.classes)
            sums = {
                str(file.relative_to(folder)): _sum_of(file) for file in folder.rglob("*") if file.is_file()
            }
            write_json(folder / _ROWS, {"rows": rows, "sums": sums})

    def lists(self, chunk: int, indices: Collection[int]) -> bool:
        """True if a chunk is there with just these samples and lacks no file; what the files hold is not looked at."""
        try:
            rows, sums = self.rows(chunk), self._sums(chunk)
            images = {str(Path("images", f"{row.name}.png")) for row in rows.values()}
            whole = rows.keys() == set(indices) and images <= sums.keys()
            return whole and all((self.folder(chunk) / name).is_file() for name in sums)
        except _UNREADABLE:
            return False

    def holds(self, chunk: int, indices: Collection[int]) -> bool:
        """True if a chunk is there with just these samples, every file as it was written."""
        try:
            return self.lists(chunk, indices) and all(
                _sum_of(self.folder(chunk) / name) == expected for name, expected in self._sums(chunk).items()
            )
        except _UNREADABLE:
            return False

    def _sums(self, chunk: int) -> dict[str, int]:
        """The CRC-32 of every file of a chunk when it was written."""
        sums: dict[str, int] = json.loads((self.folder(chunk) / _ROWS).read_text(encoding="utf-8"))["sums"]
        return sums

    def pairs(self, chunk: int) -> dict[int, AnnotatedImage]:
        """The samples of a chunk that was drawn, by index."""
        return {index: self.pair(chunk, row.name) for index, row in self.rows(chunk).items()}

    def pair(self, chunk: int, name: str) -> AnnotatedImage:
        """One sample of a chunk that was drawn, decoded when its pixels are asked for."""
        if self._opened is None or self._opened[0] != chunk:
            reads = read_folder if self.classes.labelled else read_images
            self._opened = chunk, reads(self.folder(chunk))
        return self._opened[1].undecoded(name)

    def rows(self, chunk: int) -> dict[int, Row]:
        """The samples of a chunk that was drawn, by index."""
        found = json.loads((self.folder(chunk) / _ROWS).read_text(encoding="utf-8"))["rows"]
        return {
            int(index): Row(name, {kind: dict(holds[kind]) for kind in ("objects", "pixels")}, dict(*moved))
            for index, (name, holds, *moved) in found.items()  # former versions wrote two values
        }

    def folder(self, chunk: int) -> Path:
        """Where a chunk lies."""
        return self.path / f"chunk-{chunk:06d}"

    def save_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Write the verdicts on candidates that follow each other."""
        rows = [
            {**vars(verdict), **{name: getattr(verdict, name) is not None for name in _MAPS}}
            for verdict in verdicts
        ]
        arrays: dict[str, Array] = {"verdicts": np.array(json.dumps(rows))}
        for name in _MAPS:
            maps = [found for verdict in verdicts if (found := getattr(verdict, name)) is not None]
            arrays |= {name: np.stack(maps)} if maps else {}
        write_arrays(self._verdicts(verdicts[0].index), arrays)

    def load_verdicts(self, first: int) -> list[Verdict] | None:
        """The verdicts on candidate `first` and those judged with it, without what the judge read; None when they are
        missing or can't be read.
        """
        try:
            arrays = _read(self._verdicts(first))
            masks = iter(arrays.get("doubtful", ()))
            found = [_verdict(row, masks) for row in json.loads(str(arrays["verdicts"]))]
        except (*_UNREADABLE, StopIteration):
            return None
        return (
            found
            if found and [verdict.index for verdict in found] == list(range(first, first + len(found)))
            else None
        )

    def readings(self, indices: Collection[int]) -> dict[int, Array]:
        """What the judge read from those of some dropped candidates that lie here: class ids (H, W), by index."""
        files = {int(file.stem.partition("-")[2]): file for file in self.path.glob("verdicts-*.npz")}
        firsts, found = sorted(files), dict[int, Array]()
        places = {bisect_right(firsts, index) - 1 for index in indices}
        for first in sorted({firsts[place] for place in places if place >= 0}):
            arrays = _read(files[first])
            rows = [row["index"] for row in json.loads(str(arrays["verdicts"])) if row["read"]]
            found |= {index: arrays["read"][place] for place, index in enumerate(rows) if index in indices}
        return found

    def _verdicts(self, first: int) -> Path:
        return self.path / f"verdicts-{first:09d}.npz"


def _verdict(row: dict[str, Any], masks: Iterator[Array]) -> Verdict:
    """A stored verdict; it has no field for what the judge read, which stays in the file."""
    reason = row["reason"] and Reason(row["reason"])
    row.pop("read")
    return Verdict(**{**row, "reason": reason, "doubtful": next(masks) if row["doubtful"] else None})


def _read(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _sum_of(file: Path) -> int:
    return zlib.crc32(file.read_bytes())

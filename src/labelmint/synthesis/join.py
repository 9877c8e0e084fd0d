"""Joining shards: the pairs of all as one data set, with the bytes that one machine would have written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmint import formats
from labelmint.errors import InputError
from labelmint.formats import FORMATS
from labelmint.formats.format import held_image_format, image_format_named
from labelmint.progress import Event, Report
from labelmint.storage import refuse_taken
from labelmint.synthesis.chunks import ChunkFolder, Row, at_work, partial_of, remove_partial
from labelmint.synthesis.export import Export
from labelmint.synthesis.publish import publish
from labelmint.synthesis.refill import Selection, selected
from labelmint.synthesis.shard import StoredShard, read_shard
from labelmint.synthesis.verdicts import Verdict
from labelmint.types import AnnotatedImage, Array

__all__ = ["join"]


def join(
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    n: int | None = None,
    format: str = "folder",
    image_format: str = "png",
    report: Report | None = None,
) -> int:
    """Write the first n accepted candidates of all shards of an export, as `mint` would with this n.

    Arguments:
        shards: folders that `synthesize --shard` wrote, all of one export, in any order.
        out: the folder to write; refused when it holds anything.
        n: how many pairs; None takes all that were accepted.
        format: one of `formats.WRITABLE`. image_format: of the images, "png", "jpg", "webp" or "tiff".
        report: called with an `Event` after each chunk whose files were read; all else is checked before.

    Returns:
        how many pairs were written.

    Raises InputError for what is no whole shard, for shards that are missing, given twice, or of different exports, and
    where fewer than n candidates were accepted, and where another command writes the folder.
    """
    target, tell = Path(out), report or (lambda event: None)
    named = image_format_named(image_format)
    _check_target(target, n, format)
    held_image_format(FORMATS[format], named)
    found = sorted((read_shard(Path(path)) for path in shards), key=lambda one: one.shard)
    _check_alike(found)
    first = found[0]
    formats.check_labels(format, first.export.classes)
    whole, joined = first.export, _Joined(found)
    selection, count = None, n or whole.n
    if whole.filter is None and count > whole.n:
        raise InputError(
            f"-n {count}: these shards hold {whole.n} pairs; take no more, or draw more than these"
        )
    _check_chunks(found)
    if whole.filter is not None:
        selection = _selection(found, n, joined)
        count = len(selection.accepted)
    _check_files(found, tell)
    export = replace(whole, n=count, image_format=named)
    with at_work(target):
        publish(export, joined, selection, {format: target}, first.facts["versions"])
        remove_partial(target)
    return count


class _Joined:
    """The chunks of all shards."""

    def __init__(self, shards: Sequence[StoredShard]) -> None:
        self._folders = [one.folder for one in shards]

    def of(self, chunk: int) -> ChunkFolder:
        """The folder of the shard that a chunk belongs to."""
        return self._folders[chunk % len(self._folders)]

    def rows(self, chunk: int) -> dict[int, Row]:
        return self.of(chunk).rows(chunk)

    def pair(self, chunk: int, name: str) -> AnnotatedImage:
        return self.of(chunk).pair(chunk, name)

    def folder(self, chunk: int) -> Path:
        return self.of(chunk).folder(chunk)

    def readings(self, indices: Collection[int]) -> dict[int, Array]:
        found: dict[int, Array] = {}
        for folder in self._folders:
            found |= folder.readings(indices)
        return found


def _check_target(out: Path, n: int | None, format: str) -> None:
    """Raise InputError where the pairs can't be written; what a join that was killed left is in nobody's way."""
    if n is not None and n < 1:
        raise InputError(f"-n {n}: expected at least 1")
    if format not in formats.WRITABLE:
        raise InputError(f"--format {format}: expected one of {', '.join(formats.WRITABLE)}")
    refuse_taken(out)
    aside = partial_of(out)
    if aside.is_dir() and not all(path.name.lstrip(".").startswith("data-") for path in aside.iterdir()):
        raise InputError(
            f"{aside}: holds samples of another command; name another folder, or remove that one"
        )


def _check_alike(shards: Sequence[StoredShard]) -> None:
    """Raise InputError unless these are all the shards of one export, sorted by their number."""
    first = shards[0]
    for one in shards[1:]:
        what = _difference(first, one)
        if what is not None:
            raise InputError(
                f"{one.path}: is of another export than {first.path}: {what}; draw one of them again"
            )
    for one, other in zip(shards, shards[1:], strict=False):
        if one.shard == other.shard:
            raise InputError(f"{other.path}: is shard {one.shard}, as {one.path} is; give each shard once")
    there = {one.shard.number for one in shards}
    missing = [f"{k}/{first.shard.of}" for k in range(first.shard.of) if k not in there]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{first.path}: shard {missing[0]}{more} of its export is missing; give all {first.shard.of}"
        )


def _difference(one: StoredShard, other: StoredShard) -> str | None:
    """The first thing that differs between two shards, in words."""
    if one.shard.of != other.shard.of:
        return f"it is shard {other.shard}, that one {one.shard}"
    before, now = one.export.settings, other.export.settings
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            return f"{key} {now.get(key)!r}, there {before.get(key)!r}"
    keys = {*one.facts, *other.facts} - {"searched"}  # former versions did not say it
    named: dict[str, tuple[Any, Any]] = {key: (one.facts.get(key), other.facts.get(key)) for key in keys}
    return next((f"other {key}" for key, (mine, theirs) in sorted(named.items()) if mine != theirs), None)


def _check_chunks(shards: Sequence[StoredShard]) -> None:
    """Raise InputError for a chunk that is missing, not whole, or lacks its verdicts; no image is read."""
    export = shards[0].export
    for chunk in export.chunks:
        folder, inside = shards[chunk % len(shards)].folder, export.candidates(chunk)
        judged = export.filter is None or len(folder.load_verdicts(inside.start) or ()) == len(inside)
        if not (judged and folder.lists(chunk, _kept(export, chunk))):
            raise _damaged(shards, chunk)


def _check_files(shards: Sequence[StoredShard], report: Report) -> None:
    """Raise InputError for a chunk of which a file is not as it was written: all are read, which takes its time."""
    export = shards[0].export
    for done, chunk in enumerate(export.chunks, 1):
        if not shards[chunk % len(shards)].folder.holds(chunk, _kept(export, chunk)):
            raise _damaged(shards, chunk)
        report(Event("check shards", done, len(export.chunks)))


def _kept(export: Export, chunk: int) -> range:
    """The indices of the candidates that a chunk holds."""
    size = export.origin.batch_size
    return export.candidates(chunk) if export.filter is None else range(chunk * size, (chunk + 1) * size)


def _damaged(shards: Sequence[StoredShard], chunk: int) -> InputError:
    one = shards[chunk % len(shards)]
    return InputError(
        f"{one.folder.folder(chunk)}: missing or damaged; remove {one.path} and draw shard {one.shard} again"
    )


def _selection(shards: Sequence[StoredShard], n: int | None, joined: _Joined) -> Selection:
    """The first n accepted candidates, with those that were dropped before the last one."""
    export, found, accepted = shards[0].export, list[Verdict](), 0
    for chunk in export.chunks:
        found += joined.of(chunk).load_verdicts(export.candidates(chunk).start) or []
        accepted = sum(verdict.reason is None for verdict in found)
        if n is not None and accepted >= n:
            break
    wanted = n or accepted
    if accepted < wanted or not accepted:
        raise InputError(
            f"{shards[0].path}: of the {len(found)} candidates of all shards {accepted} passed the filter"
            f"{'' if n is None else f' and {n} are wanted'}; take a smaller -n, or draw shards with a higher -n"
        )
    return selected(found, wanted, shards[0].copy_threshold, min(one.searched for one in shards))

"""Where pairs are kept while they are worked on: in memory, or where that does not hold them in a file that is mapped
into it.

The file is FOLDER/cache/NAME.pairs, named by the digest of what decides it (`datasets.origins`). It is written aside
and gets its name when it is whole, so that a command that was stopped reads it when it is run again, and none reads
half of one. Without a name the file has none, and nothing of it is left however a process ends.

    arrays      one after the other, each at a multiple of 64 bytes
    index       JSON: {"parts": {PART: [a row a pair]}, "facts": {...}}
    end         where the index begins and how long it is, 8 bytes each, little endian; 16 bytes that tell the kind
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
import torch

from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range
from labelmint.errors import InputError
from labelmint.hardware import available_memory
from labelmint.storage import CACHE
from labelmint.types import Array

__all__ = ["Disk", "Shelf", "Stored", "drop_cache", "shelved"]

_ARRAYS = ("image", "ids", "instances", "boxes")
_ALIGNED = 64  # bytes
_KIND = b"labelmint pairs1"
_END = struct.Struct(f"<QQ{len(_KIND)}s")

Bytes = np.memmap[tuple[int], np.dtype[np.uint8]]


class Disk(NamedTuple):
    """A folder that takes the pairs that memory does not hold.

    Arguments:
        folder: made where it is needed.
        named: whether they are kept there until the command has ended well, and found there before.
        writes: False for all but one of several processes of one command; what they keep is gone with them.
    """

    folder: Path
    named: bool = True
    writes: bool = True


class Stored(NamedTuple):
    """A whole cache: pairs by part, and what was stored beside them."""

    parts: Mapping[str, list[Pair]]
    facts: Mapping[str, Any]


class Shelf:
    """Pairs of one command, with the same values wherever they are kept.

    Arguments:
        available: bytes of memory that pairs may take together; as many as the first ones tell that all will need.
        disk: that takes those that need more; None for none.
        source: where the pairs come from, for messages.
        name: of the cache on the disk; None where it is not to be found again.

    A context manager: what is not whole when it ends is removed.
    """

    def __init__(self, *, available: int, disk: Disk | None, source: str, name: str | None = None) -> None:
        self._available, self._disk, self._source = available, disk, source
        self._target = (
            disk.folder / CACHE / f"{name}.pairs" if disk is not None and name is not None else None
        )
        self._file: IO[bytes] | None = None
        self._aside: Path | None = None
        self._maps: list[Bytes] = []

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()  # a map outlives its file
            if self._aside is not None:
                self._aside.unlink(missing_ok=True)

    def stored(self) -> Stored | None:
        """The cache of that name, where it is there."""
        if self._target is None or not self._target.is_file():
            return None
        with self._target.open("rb") as file:
            file.seek(-_END.size, os.SEEK_END)
            first, length, kind = _END.unpack(file.read())
            if kind != _KIND:
                return None
            file.seek(first)
            index = json.loads(file.read(length))
            whole = np.memmap(file, dtype=np.uint8, mode="r")
        parts = {part: [_pair(row, whole) for row in rows] for part, rows in index["parts"].items()}
        return Stored(parts, index["facts"])

    def keep(self, pairs: Iterable[Pair], count: int) -> list[Pair]:
        """The pairs, taken one by one; those that come after others were mapped are mapped, too.

        Arguments:
            count: how many there will be.

        Raises InputError for pairs that need more than is available, where there is no folder.
        """
        kept: list[Pair] = []
        rows: list[list[Any]] = []
        taken = 0
        for done, pair in enumerate(pairs, 1):
            taken += pair.nbytes
            if self._file is None and taken * count // done > self._available:
                self._file = self._opened(count, taken * count // done)
                rows = [self._added(one) for one in kept]
                kept.clear()
            if self._file is None:
                kept.append(pair)
            else:
                rows.append(self._added(pair))
        if self._file is None:
            return kept
        self._file.flush()
        self._maps.append(np.memmap(self._file, dtype=np.uint8, mode="r"))
        return [_pair(row, self._maps[-1]) for row in rows]

    def close(self, parts: Mapping[str, Sequence[Pair]], facts: Mapping[str, Any]) -> None:
        """End the cache with an index of what the command goes on with; nothing where all is kept in memory, or
        the file has no name.

        Arguments:
            parts: pairs that were kept. facts: JSON, stored beside them.
        """
        if self._file is None or self._aside is None or self._target is None:
            return
        rows = {part: [self._added(one) for one in pairs] for part, pairs in parts.items()}
        index = json.dumps({"parts": rows, "facts": facts}).encode("ascii")
        first = self._file.tell()
        self._file.write(index + _END.pack(first, len(index), _KIND))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._aside.replace(self._target)

    def _opened(self, count: int, needed: int) -> IO[bytes]:
        if self._disk is None:
            raise InputError(
                f"{self._source}: {count} pairs need about {needed / 2**30:.1f} GiB of memory and "
                f"{self._available / 2**30:.1f} GiB can be had; take a smaller --size, or with --crop a smaller --scale"
            )
        folder = self._disk.folder.absolute()
        if self._target is None or not self._disk.writes:
            return TemporaryFile(dir=next(one for one in (folder, *folder.parents) if one.is_dir()))
        drop_cache(folder)  # of other data or settings, or half written
        self._target.parent.mkdir(parents=True)
        self._aside = self._target.with_name(f".{self._target.name}.partial")
        return self._aside.open("w+b")

    def _added(self, pair: Pair) -> list[Any]:
        """The row of a pair, whose arrays are written unless they lie in the file already."""
        arrays = {name: getattr(pair, name) for name in _ARRAYS}
        places = {name: self._placed(array) for name, array in arrays.items() if array is not None}
        return [pair.name, pair.group, pair.range, places]

    def _placed(self, array: Array) -> list[Any]:
        first = next((at for whole in self._maps if (at := _within(array, whole)) is not None), None)
        if first is None:
            assert self._file is not None
            first = self._file.tell()
            self._file.write(np.ascontiguousarray(array).data)
            self._file.write(bytes(-self._file.tell() % _ALIGNED))
        return [first, list(array.shape), array.dtype.str]


def shelved(pairs: Iterable[Pair], count: int, folder: Path, source: str) -> list[Pair]:
    """Pairs in memory, or where half of what is free does not hold them mapped from a file without a name.

    Arguments:
        pairs: taken one by one. count: how many there are at most.
        folder: where the file lies, or the nearest one above it that is there. source: of the pairs, for messages.
    """
    room = int(available_memory(torch.device("cpu")) // 2)
    with Shelf(available=room, disk=Disk(folder, named=False), source=source) as shelf:
        return shelf.keep(pairs, count)


def drop_cache(folder: Path) -> None:
    """Remove the caches of a folder; their files go when nothing maps them any more."""
    shutil.rmtree(folder / CACHE, ignore_errors=True)


def _within(array: Array, whole: Bytes) -> int | None:
    """Where an array begins in a mapped file; None for one that lies elsewhere."""
    first = int(array.ctypes.data) - int(whole.ctypes.data)
    return first if 0 <= first < whole.size and array.flags.c_contiguous else None


def _pair(row: Sequence[Any], whole: Bytes) -> Pair:
    name, group, levels, places = row
    arrays: dict[str, Array] = {}
    for part, (first, shape, dtype) in places.items():
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        arrays[part] = whole[first : first + size].view(dtype).reshape(shape)
    return Pair(
        name=name,
        group=group,
        range=None if levels is None else Range(*levels),
        image=arrays["image"],
        ids=arrays["ids"],
        instances=arrays.get("instances"),
        boxes=arrays.get("boxes"),
    )

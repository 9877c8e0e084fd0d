"""Where pairs are kept while they are trained on: in memory, or where that does not hold them in a file that is mapped
into it.

The file has no name, so nothing of it is left however a process ends. Arrays stand in it one after the other, each at
a multiple of 64 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["check_memory", "keep"]

_ARRAYS = ("image", "ids", "instances", "boxes")
_ALIGNED = 64  # bytes


def keep(
    pairs: Iterable[Pair], count: int, *, available: int, folder: Path | None, source: str
) -> list[Pair]:
    """The pairs, with the same values wherever they are kept.

    Arguments:
        pairs: taken one by one. count: how many there will be.
        available: bytes of memory that they may take together; as many as the first ones tell that all will need.
        folder: on the disk that takes those that need more; None for none.
        source: where the pairs come from, for messages.

    Raises InputError for pairs that need more than is available, where there is no folder.
    """
    kept: list[Pair] = []
    taken, disk = 0, None
    with ExitStack() as files:  # a map outlives its file
        for done, pair in enumerate(pairs, 1):
            taken += pair.nbytes
            if disk is None and taken * count // done > available:
                if folder is None:
                    check_memory(source, count, taken * count // done, available)
                disk = _Disk(files.enter_context(TemporaryFile(dir=_there(folder))))
                for one in kept:
                    disk.add(one)
                kept.clear()
            if disk is None:
                kept.append(pair)
            else:
                disk.add(pair)
        return kept if disk is None else disk.pairs()


def check_memory(source: str, count: int, needed: int, available: int) -> None:
    """Raise InputError where pairs need more bytes than are available."""
    if needed > available:
        raise InputError(
            f"{source}: {count} pairs need about {needed / 2**30:.1f} GiB of memory and "
            f"{available / 2**30:.1f} GiB can be had; take a smaller --size, or with --crop a smaller --scale"
        )


def _there(folder: Path | None) -> Path | None:
    """The folder, or where it is not there yet the nearest above it that is."""
    return folder and next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())


class _Place(NamedTuple):
    """Where an array stands in the file."""

    first: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class _Disk:
    """A file of arrays that is written from front to back, then mapped."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rows: list[tuple[Pair, Mapping[str, _Place]]] = []

    def add(self, pair: Pair) -> None:
        arrays = {name: getattr(pair, name) for name in _ARRAYS}
        places = {name: self._written(array) for name, array in arrays.items() if array is not None}
        nothing = np.zeros((0, 0), np.uint8)
        bare = Pair(name=pair.name, group=pair.group, image=nothing, ids=nothing, range=pair.range)
        self._rows.append((bare, places))

    def pairs(self) -> list[Pair]:
        """All that were added."""
        self._file.flush()
        whole = np.memmap(self._file, dtype=np.uint8, mode="r")
        return [
            Pair(
                name=bare.name,
                group=bare.group,
                range=bare.range,
                image=_mapped(whole, places["image"]),
                ids=_mapped(whole, places["ids"]),
                instances=_mapped(whole, places["instances"]) if "instances" in places else None,
                boxes=_mapped(whole, places["boxes"]) if "boxes" in places else None,
            )
            for bare, places in self._rows
        ]

    def _written(self, array: Array) -> _Place:
        first = self._file.tell()
        self._file.write(np.ascontiguousarray(array).tobytes())
        self._file.write(bytes(-self._file.tell() % _ALIGNED))
        return _Place(first, array.shape, array.dtype)


def _mapped(whole: np.memmap[tuple[int], np.dtype[np.uint8]], place: _Place) -> Array:
    size = int(np.prod(place.shape, dtype=np.int64)) * place.dtype.itemsize
    return whole[place.first : place.first + size].view(place.dtype).reshape(place.shape)

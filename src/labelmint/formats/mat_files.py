"""Numbers in MATLAB files of level 5, read without trust: real arrays by name, and nothing else that a file may hold.

128 bytes of header, the last two "IM" (little endian) or "MI"
element:    type, size (4 bytes each), data, up to the next multiple of 8 bytes; up to 4 bytes of data: in 8 bytes
compressed: an element whose data are another one, deflated
array:      an element of four: flags, dimensions, name, numbers
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from labelmint.types import Array

__all__ = ["read_mat"]

_HEADER, _MOST = 128, 1 << 24  # bytes of the header, and of a file or an element once it is inflated
_ARRAY, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


def read_mat(file: Path, names: Collection[str]) -> dict[str, Array]:
    """The real arrays of these names, flat; ValueError for a file that is none, damaged, or larger than 16 MiB."""
    with file.open("rb") as opened:
        data = opened.read(_MOST + 1)
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None or len(data) > _MOST:
        raise ValueError("not a MATLAB file of level 5, or too large")
    found = {}
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, content = next(_elements(_inflated(content), order), (0, b""))
        if kind == _ARRAY:
            _, _, (_, name), (of, numbers), *_ = _elements(content, order)
            if name.decode("ascii", "replace") in names:
                found[name.decode("ascii")] = _array(of, numbers, order)
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element, in order."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        begin, end = at + 8, at + 8 + size
        if kind >> 16:  # size and type share four bytes, and the data are the next four
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end = at + 4, at + 4 + min(size, 4)
        if end > len(data):
            raise ValueError("an element goes on beyond the end")
        yield kind, data[begin:end]
        at = end if kind == _COMPRESSED else at + -(-(end - at) // 8) * 8


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, _MOST)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError("an element is cut off, or too large")
    return found


def _array(kind: int, data: bytes, order: str) -> Array:
    if kind not in _NUMBERS:
        raise ValueError("an array holds no numbers")
    numbers: Array = np.frombuffer(data, np.dtype(f"{order}{_NUMBERS[kind]}"))
    return numbers

"""What lies in a tar file, read where it lies: nothing is extracted, and no name reaches the file system.

Links, sparse files and devices are refused. Members are taken one by one, so that a shard of any length is listed
without being held.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from labelmint.errors import InputError
from labelmint.formats.text_files import MAX_BYTES

__all__ = ["Member", "members", "read_member"]


class Member(NamedTuple):
    """A file in a tar file: its name there, where its bytes begin, and how many there are."""

    name: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """The files of a tar file in order; folders are passed over. Raises InputError for one that is damaged or
    compressed, and for members that are no plain files.
    """
    length, at = path.stat().st_size, -1
    try:
        with tarfile.open(path, "r:") as archive:
            while (found := archive.next()) is not None:
                vars(archive)["members"].clear()  # tarfile keeps all that it has passed
                if not at < found.offset_data <= found.offset_data + found.size <= length:
                    raise InputError(
                        f"{path}: is cut short or damaged at {found.name[:80]!r}; fetch it again"
                    )
                at = found.offset_data
                if found.isdir():
                    continue
                if not found.isreg() or found.issparse():
                    raise InputError(
                        f"{path}: {found.name[:80]!r} is a link, a sparse file or a device; expected plain files alone"
                    )
                yield Member(found.name, found.offset_data, found.size)
    except InputError:
        raise
    except (
        tarfile.TarError,
        ValueError,
        OverflowError,
        EOFError,
        IndexError,
        KeyError,
        RecursionError,
    ) as error:
        raise InputError(
            f"{path}: no tar file that can be read ({str(error)[:80]}): cut short, damaged, or compressed; "
            "fetch it again, or unpack it to .tar first"
        ) from None


def read_member(path: Path, offset: int, size: int) -> bytes:
    """The bytes of a member. Raises InputError where the file is gone, cut short, or holds too many."""
    if size > MAX_BYTES:
        raise InputError(f"{path}: a member of {size} bytes, more than the {MAX_BYTES} that are read")
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            content = stream.read(size)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if len(content) < size:
        raise InputError(f"{path}: is cut short; fetch it again")
    return content

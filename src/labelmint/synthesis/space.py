"""Does a disk hold what is to be minted? An estimate that no set of pairs stays below.

n pairs take at least n f b bytes,    f = files of a pair: its image, and its label map where there are labels
                                      b = what a file takes at least: a block of the disk, 4 KiB at most
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from labelmint.errors import InputError

__all__ = ["check_space", "least_bytes"]

_MOST_BLOCK = 4096  # a disk in a network may give far larger blocks, which files do not fill


def least_bytes(pairs: int, *, labelled: bool, block: int = _MOST_BLOCK) -> int:
    """The formula above: bytes that so many pairs take at least."""
    return pairs * (2 if labelled else 1) * min(block, _MOST_BLOCK)


def check_space(folder: Path, pairs: int, *, n: int, labelled: bool) -> None:
    """Raise InputError where the disk of a folder, which may be missing yet, can't hold so many further pairs.

    Arguments:
        n: what was asked for, to be named.
    """
    place = next(path for path in Path(os.path.abspath(folder)).parents if path.is_dir())  # noqa: PTH100 - as in `chunks`
    try:
        disk = shutil.disk_usage(place)
        block = os.statvfs(place).f_frsize if hasattr(os, "statvfs") else _MOST_BLOCK
    except OSError:
        return  # it does not tell, and may be large enough
    needed = least_bytes(pairs, labelled=labelled, block=block)
    if disk.total and needed > disk.free:
        raise InputError(
            f"-n {n}: {pairs:,} pairs take at least {needed / 2**30:,.1f} GiB, however well they compress, and on the "
            f"disk of {place} {disk.free / 2**30:,.1f} GiB are free; take a smaller -n, or another disk"
        )

"""How many pairs are drawn at a time: as many as memory holds, in powers of two."""

from __future__ import annotations

from collections.abc import Callable

import torch

from labelmint.errors import InputError
from labelmint.hardware import available_memory

__all__ = ["check_batch", "fitting", "usual_batch"]

# more gain little where a few pairs are asked for, since B does not depend on how many
_MOST_AT_ONCE = {"cpu": 32, "cuda": 256}
_LARGEST = 1024  # batch size that is named to one whose own does not fit


def usual_batch(needs: Callable[[int], int], device: torch.device, warn: Callable[[str], None]) -> int:
    """The largest power of two up to 32 on a CPU, 256 on a GPU, that memory holds now, whatever is asked for later.

    Arguments:
        needs: bytes that drawing so many pairs at once takes.
        warn: is told when memory holds less than these.

    Raises InputError when memory does not hold one.
    """
    most = _MOST_AT_ONCE[device.type]
    found = fitting(most, needs, device)
    if found is None:
        check_batch(1, needs, device)
        found = 1
    if found < most:
        warn(
            f"memory holds {found} pairs at a time, not {most} as usual: drawing is slower, and other "
            f"samples than those of {most} come"
        )
    return found


def check_batch(batch_size: int, needs: Callable[[int], int], device: torch.device) -> None:
    """Raise InputError when batches of this size take more memory than there is, naming one that fits."""
    needed, available = needs(batch_size), available_memory(device)
    if needed > available:
        most = fitting(_LARGEST, needs, device)
        mend = (
            f"take --batch-size {most}"
            if most
            else "one sample does not fit either; free memory, or train a smaller preset"
        )
        raise InputError(
            f"--batch-size {batch_size}: drawing as many at once takes {needed / 2**30:.1f} GiB of memory, and "
            f"{available / 2**30:.1f} are free; {mend}"
        )


def fitting(most: int, needs: Callable[[int], int], device: torch.device) -> int | None:
    """The largest power of two up to a number of pairs that memory holds; None where it does not hold one."""
    available = available_memory(device)
    sizes = (1 << exponent for exponent in reversed(range(most.bit_length())))
    return next((size for size in sizes if needs(size) <= available), None)

"""The memory that a computation takes at its peak, counted from its tensors in a rehearsal.

    bytes(B) = fixed + B item,    item = peak(2 rows) - peak(1 row),    fixed = peak(1 row) - item

What no count of tensors sees, the buffers of convolutions above all, comes on top: multiply by `SPARE`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["SPARE", "RowBytes", "bytes_by_rows", "peak_bytes"]

SPARE = 1.25


class RowBytes(NamedTuple):
    """Bytes that a batch takes whatever its size, and bytes of each of its rows."""

    fixed: int
    item: int

    def of(self, rows: int) -> int:
        """Bytes of n rows."""
        return self.fixed + rows * self.item


def bytes_by_rows(rehearse: Callable[[int], object]) -> RowBytes:
    """The peaks of a rehearsal of one row and of two, and of any number along the line through both.

    Arguments:
        rehearse: the work for a number of rows.
    """
    one, two = peak_bytes(lambda: rehearse(1)), peak_bytes(lambda: rehearse(2))
    return RowBytes(max(2 * one - two, 0), two - one)


def peak_bytes(work: Callable[[], object], gradients: bool = False) -> int:
    """The most bytes of tensors that some work holds at once beside what was there before; without `gradients` it
    is done without what they need.
    """
    counting = _Counting()
    with torch.set_grad_enabled(gradients), counting:
        work()
    return counting.peak


class _Counting(TorchDispatchMode):
    """Follows the memory of every tensor that an operation makes until nothing uses it: neither a tensor, nor a way
    back.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held, self.peak = 0, 0
        self._known = set[int]()  # addresses of memories

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {_address(one) for one in _tensors((args, kwargs))}
        made = operation(*args, **(kwargs or {}))
        for one in _tensors(made):
            address = _address(one)
            if address not in self._known and address not in before:  # a view of weights, say, takes nothing
                self._follow(one.untyped_storage(), address)
        return made

    def _follow(self, memory: torch.UntypedStorage, address: int) -> None:
        size = memory.nbytes()
        self._known.add(address)
        self.held += size
        self.peak = max(self.peak, self.held)
        weakref.finalize(memory, self._leave, address, size)

    def _leave(self, address: int, size: int) -> None:
        self._known.remove(address)
        self.held -= size


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, dict):
        found = tuple(found.values())
    return [one for part in found for one in _tensors(part)] if isinstance(found, list | tuple) else []

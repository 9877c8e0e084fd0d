"""Decoding in threads while the pairs before are worked on: the same pairs in the same order, and the first error in
that order. Decoders let go of Python's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from labelmint.processors import cores

__all__ = ["ahead"]

T = TypeVar("T")
_MOST = 8  # threads
_EACH = 2  # pairs that wait, a thread


def ahead(load: Callable[[str], T], names: Sequence[str]) -> Iterator[T]:
    """load(name) of each name, a few of them before they are asked for.

    Arguments:
        load: takes a name; may be called from several threads at once.
    """
    workers = min(cores(), _MOST, len(names))
    if workers < 2:
        yield from map(load, names)
        return
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for name in names:
            waiting.append(pool.submit(load, name))
            if len(waiting) > _EACH * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

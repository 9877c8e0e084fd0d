"""Work done beside the caller, one piece after the other: chunks are encoded and written while the next one
is drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

__all__ = ["MOST_WAITING", "Background"]

MOST_WAITING = 2  # pieces that are begun or wait, each with what it holds in memory


class Background:
    """A context manager; work given to it is done when the block ends, by Ctrl-C too, or an error of it is
    raised.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Background:
        return self

    def do(self, work: Callable[[], None]) -> None:
        """Have it done; waits while too much is waiting already, and raises the error of what was given
        before.
        """
        while self._waiting and (len(self._waiting) == MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        for one in self._waiting if kind is None else ():
            one.result()

"""Pairs on their way to the disk: each under a name of its own, and written in threads while the next ones are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar
from unicodedata import category

from labelmint.errors import InputError
from labelmint.processors import cores

__all__ = ["check_name", "uniquely_named", "write_each"]


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """The name of a pair."""


_WRITERS = 8
T = TypeVar("T")
N = TypeVar("N", bound=Named)


def check_name(name: str) -> None:
    """Raise InputError for a name of a pair that cannot be a file's."""
    odd = any(sign in "/\\" or category(sign) == "Cc" for sign in name)
    if not name or name.startswith(".") or odd or name != name.strip():
        raise InputError(
            f"{name!r} cannot name a pair: expected a file name without folder, leading dot, outer spaces or control "
            f"characters"
        )


def uniquely_named(pairs: Iterable[N], names: dict[str, None]) -> Iterator[N]:
    """The pairs, whose names are added to `names`. Raises InputError for a doubled name, and one that cannot
    be a file's.
    """
    for pair in pairs:
        check_name(pair.name)
        if pair.name in names:
            raise InputError(f"two pairs are named {pair.name!r}; names must differ")
        names[pair.name] = None
        yield pair


def write_each(
    items: Iterable[T], write: Callable[[T], None], is_quick: Callable[[T], bool] = lambda item: False
) -> None:
    """Write every item, in threads while the next ones are made; few wait at any time, and the first error
    ends it.

    Arguments:
        is_quick: which items are written sooner than they would be handed to a thread: those with nothing to encode.
    """
    workers = min(cores(), _WRITERS)
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if is_quick(item):
                    write(item)
                    continue
                if len(waiting) == 2 * workers:
                    waiting.popleft().result()
                waiting.append(pool.submit(write, item))
            for one in waiting:
                one.result()
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            failed = next(
                (one.exception() for one in waiting if not one.cancelled() and one.exception()), None
            )
            if failed is not None and isinstance(error, Exception):
                raise failed from None
            raise

"""What every training loop needs around its step: how far it is, when to stop, and how to tell it.

Progress is the share of the steps or of the time that is used up, whichever is further; the learning rate
follows it:

    lr(p) = lr_max * min(p / w + 0.02, 1) * (1 + cos(pi * max(p - w, 0) / (1 - w))) / 2,    w = warm-up share
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal, TypeAlias

__all__ = ["Clock", "ClockKind", "learning_rate", "now_of", "stop_on_interrupt"]

ClockKind: TypeAlias = Literal["wall", "processor"]
WARM_UP = 0.05


def now_of(kind: ClockKind, threads: int) -> Callable[[], float]:
    """Seconds from some moment on: of the clock on the wall, or of work that this process did on each of its threads,
    which counts alike whatever else the machine does.
    """
    return time.perf_counter if kind == "wall" else lambda: time.process_time() / threads


def learning_rate(highest: float, progress: float) -> float:
    """The one-cycle schedule above."""
    cooled = max(progress - WARM_UP, 0.0) / (1 - WARM_UP)
    return highest * min(progress / WARM_UP + 0.02, 1.0) * (1 + math.cos(math.pi * min(cooled, 1.0))) / 2


class Clock:
    """Steps and seconds of one stage.

    Arguments:
        steps: the step budget.
        seconds: the time budget, or None.
        elapsed: seconds already used by an earlier process.
        now: the time, in seconds.
        endless: whether the time budget, where there is one, ends the stage alone, however many steps it takes.
    """

    def __init__(
        self,
        steps: int,
        seconds: float | None,
        elapsed: float = 0.0,
        now: Callable[[], float] = time.perf_counter,
        endless: bool = False,
    ) -> None:
        self.steps, self.seconds, self._now = steps, seconds, now
        self.endless = endless and seconds is not None
        self._start = now() - elapsed
        self._recent: list[tuple[float, int]] = []

    @property
    def elapsed(self) -> float:
        """Seconds spent in this stage, over all processes."""
        return self._now() - self._start

    def progress(self, step: int) -> float:
        """In [0, 1]; with no time budget a function of the step alone."""
        by_time = self.elapsed / self.seconds if self.seconds else 0.0
        by_steps = 0.0 if self.endless else step / self.steps
        return min(max(by_steps, by_time), 1.0)

    def over(self, step: int) -> bool:
        """True if the stage has to end before this step."""
        done = step >= self.steps and not self.endless
        return done or (self.seconds is not None and self.elapsed >= self.seconds)

    def speed(self, step: int) -> float:
        """Steps a second over the last reports."""
        self._recent = [*self._recent[-9:], (self._now(), step)]
        (t0, s0), (t1, s1) = self._recent[0], self._recent[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0

    def seconds_left(self, step: int, speed: float) -> float:
        """Until the budget is used up."""
        by_steps = (self.steps - step) / speed if speed > 0 else 0.0
        if not self.seconds:
            return by_steps
        by_time = max(self.seconds - self.elapsed, 0.0)
        return by_time if self.endless else min(by_steps, by_time)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether Ctrl-C (or SIGTERM) came; the loop then saves and stops. A second
    Ctrl-C stops at once.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals are not ours to catch
        before = {}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:  # after the last look of the loop: the next stage must not begin
        raise KeyboardInterrupt

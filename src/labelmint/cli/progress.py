"""Progress on stderr: one line that renews itself on a terminal, else a plain line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelmint.progress import Event
    from labelmint.types import Finding

__all__ = ["Progress", "duration", "line", "say"]

SECONDS_BETWEEN_LINES = 10.0


def duration(seconds: float) -> str:
    """ "42 s", "3 min 05 s", "2 h 10 min"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def line(event: Event) -> str:
    """One event as a line of text."""
    words = [f"{event.stage} {event.step}/{event.steps}"]
    if event.images_per_second > 0:
        words.append(f"{event.images_per_second:.4g} images/s")
    if event.seconds_left > 0:
        words.append(f"{'at most ' if event.at_most else ''}{duration(event.seconds_left)} left")
    words += [f"{name} {value:.4g}" for name, value in event.losses.items()]
    if event.message:
        words.append(event.message)
    return "  ".join(words)


def say(findings: Iterable[Finding]) -> None:
    """What is odd about data, a line each on stderr."""
    for finding in findings:
        print(f"labelmint: {finding.kind}: {finding.text}", file=sys.stderr)


class Progress:
    """A context manager whose `report` takes events; pass it to `train` and `mint`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self._live: Any = None
        self._stage, self._told, self._last = "", 0.0, ""

    def __enter__(self) -> Progress:
        if self.stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self.stream), refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def report(self, event: Event) -> None:
        """Show an event."""
        text = line(event)
        if self._live is not None:
            self._show(event, text)
        elif (
            event.stage != self._stage
            or event.step >= event.steps
            or time.monotonic() - self._told > SECONDS_BETWEEN_LINES
        ):
            self._told = time.monotonic()
            if text != self._last:
                print(text, file=self.stream, flush=True)
            self._last = text
        self._stage = event.stage

    def _show(self, event: Event, text: str) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if event.stage != self._stage and self._last:
            self._live.console.print(Text(self._last, style="dim"))
        self._last = text
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=event.steps, completed=event.step, width=20), Text(text))
        self._live.update(row)

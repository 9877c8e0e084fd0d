"""What a person sees when a command can't do what was asked: one line on stderr, exit code 2, and never a
traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from labelmint.errors import InputError, line_of_system

__all__ = ["Stopped", "answer", "interruptible"]

BAD_INPUT, INTERRUPTED = 2, 130


class Stopped(Exception):
    """Ctrl-C, with what the person can do to go on."""


@contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """Turns Ctrl-C into `Stopped` with a hint."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(hint) from None


def answer(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; what lies outside the program is said in one line on stderr.

    Errors of the program itself pass through with their traceback: those are to be reported.
    """
    try:
        code = command()
        sys.stdout.flush()
    except Stopped as stopped:
        return _say(str(stopped), INTERRUPTED, kind="")
    except KeyboardInterrupt:
        return _say("stopped", INTERRUPTED, kind="")
    except BrokenPipeError:
        # The reader (say `head`) has gone. Python flushes stdout once more at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        text = _one_line(error)
        if text is None:
            raise
        return _say(text, BAD_INPUT)
    return code if isinstance(code, int) else 0


def _one_line(error: Exception) -> str | None:
    """The line for an error from outside the program; None for one of the program."""
    if isinstance(error, InputError):
        return str(error)
    if hasattr(error, "format_message"):  # wrong usage, as typer (or click below older typers) finds it
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "labelmint"
        said = error.format_message() or "a command is missing"  # its help was printed
        return f"{said} (see: {command} --help)"
    if isinstance(error, OSError):
        return line_of_system(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error):
        return (
            "out of memory; take smaller images, batches or networks (batch_size, channels), or close other "
            "programs"
        )
    return None


def _say(text: str, code: int, kind: str = "error: ") -> int:
    print(f"labelmint: {kind}{' '.join(text.split())}", file=sys.stderr, flush=True)
    return code

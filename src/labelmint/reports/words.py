"""Results in words: how numbers are written everywhere, and the summary that a terminal shows.

A number has three significant digits, or all those before the decimal point where these are more. Whole
numbers stand whole. What is missing or not finite is a dash.
"""

from __future__ import annotations

import math
import textwrap

from labelmint.errors import printable
from labelmint.reports.results import Figure, Results

__all__ = ["headline", "interval", "number", "plain", "refusal", "summary"]

_COLUMNS, _LINES = 100, 40
_FLAG = {"good": "GOOD", "mixed": "MIXED", "bad": "BAD"}


def number(value: float | None, unit: str = "") -> str:
    """A number with its unit: 0.0123, 12.3, "1,234 dB"; beyond 1e15 and below 0.001 with an exponent,
    1.23e-5.

    Arguments:
        value: None, NaN and infinities are written "-", without the unit.
        unit: written behind it after a space.
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 1e15:
        return _with_exponent(value)
    if value == int(value) or size >= 99.95:
        return f"{value + 0:,.0f}"  # which makes -0.0 a plain 0
    if size < 0.0009995:
        return _with_exponent(value)
    # of the rounded number: 9.996 is written 10.0
    decimals = 2 - math.floor(math.log10(float(f"{size:.2e}")))
    return f"{value:.{decimals}f}"


def _with_exponent(value: float) -> str:
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}e{int(exponent)}"


def interval(low: float | None, high: float | None) -> str:
    """An interval in words, "0.712 to 0.845"; a dash where an end is missing."""
    ends = number(low), number(high)
    return "-" if "-" in ends else " to ".join(ends)


def plain(text: str) -> str:
    """Text on one line without control characters, and with single spaces."""
    return " ".join(printable(text).split())


def refusal(figure: Figure) -> str:
    """Why a figure has no number, in words; empty where it has one."""
    if figure.refused:
        return f"not computed: {plain(figure.refused)}"
    return "not computed" if number(figure.value) == "-" else ""


def headline(results: Results) -> list[Figure]:
    """The figures of the first screen; one that no section holds stands there as refused."""
    figures = results.figures
    missing = "no section of this report holds it"
    return [
        figures.get(name) or Figure(name=name, title=name, value=None, refused=missing)
        for name in results.headline
    ]


def summary(results: Results) -> str:
    """The report on a terminal: at most 40 lines of at most 100 columns, without color codes.

    Verdict and reasons, the headline figures with interval and real value, then one line a section.
    """
    figures = _headline(results)
    top = [_cut(results.title), "", *_verdict(results), "", *figures, *([""] if figures else [])]
    names = {section.name: _cut(section.title, 34) for section in results.sections}
    width = max(map(len, names.values()), default=0)
    lines = [
        _cut(f"{names[section.name].ljust(width)}  {section.summary}", spaces=True)
        for section in results.sections
    ]
    room = _LINES - len(top)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"and {len(lines) - room + 1} more sections in the report"]
    return "\n".join([*top, *lines]).rstrip()


def _verdict(results: Results) -> list[str]:
    verdict = results.verdict
    lines = _wrapped(f"{_FLAG[verdict.level]}: {verdict.text}", "", 3)
    for reason in verdict.reasons[:6]:
        lines += _wrapped(reason, "  - ", 2)
    left = len(verdict.reasons) - 6
    return [*lines, f"  - and {left} more reasons in the report"] if left > 0 else lines


def _wrapped(text: str, indent: str, at_most: int) -> list[str]:
    return textwrap.wrap(
        plain(text),
        _COLUMNS,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        max_lines=at_most,
        placeholder=" ...",
    )


def _headline(results: Results) -> list[str]:
    figures = headline(results)[:8]
    if not figures:
        return []
    head = ("", "value", "95 % interval", "real data")
    rows = [(_cut(figure.title, 32), *_cells(figure)) for figure in figures]
    widths = [
        max(len(row[i]) for row in [head, *(row for row in rows if len(row) == len(head))])
        for i in range(len(head))
    ]
    widths[0] = max(len(row[0]) for row in rows)
    return [
        _cut("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), spaces=True)
        for row in [head, *rows]
    ]


def _cells(figure: Figure) -> tuple[str, ...]:
    words = refusal(figure)
    return (
        (words,)
        if words
        else (number(figure.value, figure.unit), interval(figure.low, figure.high), number(figure.real))
    )


def _cut(text: str, columns: int = _COLUMNS, spaces: bool = False) -> str:
    """Text on one line of at most n columns; with `spaces`, runs of them (which align columns) are left
    as they are.
    """
    line = printable(text).rstrip() if spaces else plain(text)
    return line if len(line) <= columns else line[: columns - 4].rstrip() + " ..."

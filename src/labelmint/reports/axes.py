"""The axes of charts, at round ticks.

position along an axis = (value - low) / (high - low),  low and high being multiples of a step of 1, 2 or
5 times 10^k
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Axis", "axis"]

_LARGEST, _SMALLEST = 1e300, 1e-300  # beyond these, differences and steps would no longer be finite, or zero


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A scale from `low` to `high` with its ticks: values and what is written at them."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`."""
        return (_tame(value) - self.low) / (self.high - self.low)


def axis(values: Iterable[float], *, zero: bool = False, tight: bool = False) -> Axis:
    """An axis that shows all the values, at about five round ticks.

    Arguments:
        values: finite; where there are none, or all are equal, the axis is given some room around them.
        zero: whether it must hold zero, as bars need it.
        tight: whether it ends at the values and not at ticks.
    """
    known = [_tame(value) for value in values] + ([0.0] if zero else [])
    low, high = min(known, default=0.0), max(known, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = 0.1 * abs(low) or 1.0
        low, high, tight = low - room, high + room, False
    step = _step((high - low) / 5)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    if tight:
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    else:
        low, high = first * step, last * step
    ticks = [i * step for i in range(first, last + 1)]
    return Axis(low=low, high=high, ticks=tuple((tick, _tick(tick, step)) for tick in ticks))


def _tame(value: float) -> float:
    return 0.0 if abs(value) < _SMALLEST else max(-_LARGEST, min(_LARGEST, value))


def _step(rough: float) -> float:
    """The smallest of 1, 2, 5, 10 times a power of ten that is no smaller than `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough * 0.999), 10 * power)


def _tick(value: float, step: float) -> str:
    """A tick's number with as many digits as tell it from the next tick."""
    place = math.floor(math.log10(step) + 1e-9)
    if value == 0:
        return "0"
    if abs(value) < 1e6 and place >= -4:
        return f"{value:,.{max(-place, 0)}f}"
    digits, exponent = f"{value:.{max(math.floor(math.log10(abs(value)) + 1e-9) - place, 0)}e}".split("e")
    return f"{digits}e{int(exponent)}"

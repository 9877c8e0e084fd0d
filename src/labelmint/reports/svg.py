"""Charts as inline SVG: lines, bars and points with axes, ticks and a legend, whatever the values are.

Series differ by color and, for those who cannot tell colors apart, also by dashes and the shape of their
marks. The colors are the page's (classes `s0` to `s5`, see report.css), so that they suit its light and its
dark side: by custom the first series is the synthetic data, the second the real data. What is not finite
leaves a gap; a chart without points says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from labelmint.reports.axes import Axis, axis
from labelmint.reports.results import Chart, Figure, Series
from labelmint.reports.words import number, plain

__all__ = ["Axis", "axis", "chart_svg", "interval_svg"]

Point = tuple[float, float]

_WIDTH, _PLOT = 480, 190  # of a chart, and the height of its plot, in user units, about pixels
_SIGN, _LINE = 7.0, 18  # a character's width and a line's height in the type of charts
_COLORS, _DASHES = 6, ("", "7 4", "2 3", "9 3 2 3")
_MARKED = 30  # lines of more points have no marks on them


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where the plot lies in the chart, and what its two axes show: `across` from left to right, `up` from
    bottom to top.
    """

    left: float
    top: float
    width: float
    height: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        return self.left + self.width * self.across.at(value)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - self.up.at(value))


def chart_svg(chart: Chart, key: str) -> str:
    """A chart as an <svg> element, 480 units wide, its height as it needs.

    Arguments:
        chart: of any values; `None` and what is not finite are left out.
        key: begins the ids in it, so that several charts can stand in one page; letters, digits and hyphens.
    """
    if not any(_points(series, chart) for series in chart.series):
        return _whole(chart, key, 90, [_text(_WIDTH / 2, 50, "no points to draw", "middle", 40)])
    return _bars(chart, key) if chart.kind == "bars" else _curves(chart, key)


# --- lines and points ---


def _curves(chart: Chart, key: str) -> str:
    points = [_points(series, chart) for series in chart.series]
    names = _written(_order(chart))
    xs, ys = [x for one in points for x, _ in one], [y for one in points for _, y in one]
    near_zero = min(ys) >= 0 and min(ys) < max(ys) / 2
    across = _axis_of_names(names) if names else axis(xs, tight=chart.kind == "lines")
    frame = _frame(chart, across, axis(ys, zero=near_zero))
    marks = []
    for k, series in enumerate(chart.series):
        draw = _line(series, chart, k, frame) if chart.kind == "lines" else _cloud(points[k], k, frame)
        marks.append(f'<g class="s{k % _COLORS}">{draw}</g>')
    return _whole(chart, key, _height(frame, chart), [*_ruled(frame, chart), *_legend(chart), *marks])


def _line(series: Series, chart: Chart, k: int, frame: _Frame) -> str:
    """A line with gaps where points are missing; points alone between gaps, and those of short lines, are
    marked.
    """
    parts = _unbroken(series, chart)
    drawn = [[(frame.x(x), frame.y(y)) for x, y in part] for part in parts]
    path = "".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in part) for part in drawn if len(part) > 1)
    dash = f' stroke-dasharray="{_DASHES[k % 4]}"' if k % 4 else ""
    line = f'<path class="line" d="{path}"{dash}/>' if path else ""
    few = sum(map(len, parts)) <= _MARKED
    marks = [
        f'<path class="mark" '
        f'd="{_mark(k, x, y)}">{_tip(series.name, _name(point[0], chart), point[1])}</path>'
        for part, places in zip(parts, drawn, strict=True)
        for point, (x, y) in zip(part, places, strict=True)
        if few or len(part) == 1
    ]
    return line + "".join(marks)


def _cloud(points: Sequence[Point], k: int, frame: _Frame) -> str:
    """One path for all points of a series: there may be thousands."""
    return f'<path class="cloud" d="{"".join(_mark(k, frame.x(x), frame.y(y)) for x, y in points)}"/>'


def _mark(k: int, x: float, y: float) -> str:
    """A circle, square, triangle or diamond around a place, as a path."""
    at = f"{_n(x)} {_n(y)}"
    return (
        f"M{at}m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
        f"M{at}m-3 -3h6v6h-6z",
        f"M{at}m0 -4l3.8 6.6h-7.6z",
        f"M{at}m0 -4.2l4.2 4.2l-4.2 4.2l-4.2 -4.2z",
    )[k % 4]


# --- bars ---


def _bars(chart: Chart, key: str) -> str:
    """Bars stand up; words that find no room below them make the bars lie, with the words to the left."""
    names = _written(_order(chart))
    values = axis([y for series in chart.series for _, y in _points(series, chart)], zero=True)
    room = (_WIDTH - 70) / len(names) / _SIGN
    are_words = any(isinstance(x, str) for series in chart.series for x in series.x)
    lying = are_words and max(map(len, names)) > room
    categories = _axis_of_names(names, thin=not lying)
    if lying:
        height = len(names) * (10.0 * len(chart.series) + 10)
        flipped = replace(categories, low=categories.high, high=categories.low)  # the first one on top
        frame = _frame(chart, values, flipped, height=height, most=24)
    else:
        frame = _frame(chart, categories, values)
    marks = [
        f'<g class="s{k % _COLORS}">{_bars_of(chart, k, names, frame, lying)}</g>'
        for k in range(len(chart.series))
    ]
    ruled = _ruled(frame, chart, lying=lying, bars=True)
    return _whole(chart, key, _height(frame, chart), [*ruled, *_legend(chart), *marks])


def _bars_of(chart: Chart, k: int, names: Sequence[str], frame: _Frame, lying: bool) -> str:
    series, count = chart.series[k], len(chart.series)
    thick = 0.76 / count
    drawn = []
    for x, value in _points(series, chart):
        begin = x - 0.38 + k * thick
        if lying:
            ends, sides = (
                sorted((frame.x(0), frame.x(value))),
                sorted((frame.y(begin), frame.y(begin + thick))),
            )
            box = (ends[0], sides[0], ends[1] - ends[0], sides[1] - sides[0])
        else:
            ends, sides = (
                sorted((frame.y(0), frame.y(value))),
                sorted((frame.x(begin), frame.x(begin + thick))),
            )
            box = (sides[0], ends[0], sides[1] - sides[0], ends[1] - ends[0])
        x0, y0, width, height = map(_n, box)
        drawn.append(
            f'<rect class="bar" x="{x0}" y="{y0}" width="{width}" '
            f'height="{height}">{_tip(series.name, names[int(x)], value)}</rect>'
        )
    return "".join(drawn)


# --- what the charts share ---


def _order(chart: Chart) -> list[float | str]:
    """What stands along x one beside the other: words as they appear, the numbers of bars by size; nothing
    for curves over numbers.
    """
    xs = list(dict.fromkeys(x for series in chart.series for x in series.x if x is not None))
    numbers = [x for x in xs if not isinstance(x, str)]
    if len(numbers) < len(xs):
        return list(xs)
    return [*sorted(x for x in numbers if math.isfinite(x))] if chart.kind == "bars" else []


def _written(order: Iterable[float | str]) -> list[str]:
    return [x if isinstance(x, str) else number(x) for x in order]


def _name(x: float, chart: Chart) -> str:
    """What the place x is called."""
    order = _order(chart)
    return _written(order)[int(x)] if order else number(x)


def _points(series: Series, chart: Chart) -> list[Point]:
    return [point for part in _unbroken(series, chart) for point in part]


def _unbroken(series: Series, chart: Chart) -> list[list[Point]]:
    """The points of a series, parted where a value is missing; what stands in order becomes its place in it."""
    places = {x: float(place) for place, x in enumerate(_order(chart))}
    parts: list[list[Point]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        at = places.get(x) if places and x is not None else x
        if isinstance(at, str) or at is None or y is None or not (math.isfinite(at) and math.isfinite(y)):
            parts.append([])
        else:
            parts[-1].append((at, y))
    return [part for part in parts if part]


def _axis_of_names(names: Sequence[str], thin: bool = True) -> Axis:
    """One place for each name; with `thin` only every so many names are written, where they would run into
    each other.
    """
    longest = min(max(map(len, names)), 16) + 1
    every = math.ceil(len(names) * longest * _SIGN / (_WIDTH - 60)) if thin else 1
    ticks = ((float(place), name) for place, name in enumerate(names) if place % every == 0)
    return Axis(low=-0.5, high=len(names) - 0.5, ticks=tuple(ticks))


def _frame(chart: Chart, across: Axis, up: Axis, height: float = _PLOT, most: int = 16) -> _Frame:
    longest = min(max((len(text) for _, text in up.ticks), default=0), most)
    left = 14 + _SIGN * longest
    right = max(14.0, _SIGN / 2 * min(len(across.ticks[-1][1]), 16)) if across.ticks else 14.0
    top = 10 + _LINE * (_legend_rows(chart) + bool(chart.y_label)) + 10
    return _Frame(left=left, top=top, width=_WIDTH - left - right, height=height, across=across, up=up)


def _height(frame: _Frame, chart: Chart) -> float:
    return frame.top + frame.height + 24 + _LINE * bool(chart.x_label)


def _ruled(frame: _Frame, chart: Chart, lying: bool = False, bars: bool = False) -> list[str]:
    """Lines at the ticks of the values, the ticks' texts, and what the axes show."""
    bottom, right = frame.top + frame.height, frame.left + frame.width
    drawn = []
    for value, text in frame.up.ticks:
        y = frame.y(value)
        drawn.append("" if lying else _rule(frame.left, y, right, y))
        drawn.append(_text(frame.left - 8, y + 4.5, text, "end", 24))
    for value, text in frame.across.ticks:
        x = frame.x(value)
        drawn.append(
            ""
            if bars and not lying
            else _rule(x, frame.top, x, bottom)
            if lying
            else _rule(x, bottom, x, bottom + 4)
        )
        drawn.append(_text(x, bottom + 18, text, "middle"))
    base = 0.0 if bars else frame.up.low
    drawn.append(
        _rule(frame.x(base), frame.top, frame.x(base), bottom, "axis")
        if lying
        else _rule(frame.left, frame.y(base), right, frame.y(base), "axis")
    )
    below, beside = (chart.y_label, chart.x_label) if lying else (chart.x_label, chart.y_label)
    if below:
        drawn.append(_text(right, bottom + 20 + _LINE, below, "end", 60, "label"))
    if beside:
        drawn.append(_text(6, frame.top - 14, beside, "start", 60, "label"))
    return drawn


def _legend(chart: Chart) -> list[str]:
    """Marks and names above the plot, where there is more than one series."""
    drawn = []
    for k, (row, x) in enumerate(_legend_places(chart)):
        y = 14 + _LINE * row
        mark = (
            f'<path d="M{_n(x)} {_n(y - 4)}h14v8h-14z" class="bar"/>'
            if chart.kind == "bars"
            else _sample(k, x, y, chart.kind)
        )
        drawn.append(
            f'<g class="s{k % _COLORS}">{mark}</g>'
            + _text(x + 26, y + 4.5, chart.series[k].name, "start", 40)
        )
    return drawn


def _sample(k: int, x: float, y: float, kind: str) -> str:
    dash = f' stroke-dasharray="{_DASHES[k % 4]}"' if k % 4 else ""
    line = f'<path class="line" d="M{_n(x)} {_n(y)}h20"{dash}/>' if kind == "lines" else ""
    return line + f'<path class="mark" d="{_mark(k, x + 10, y)}"/>'


def _legend_places(chart: Chart) -> list[tuple[int, float]]:
    """Row and x of each entry of the legend."""
    if len(chart.series) < 2:
        return []
    row, x, places = 0, 6.0, []
    for series in chart.series:
        width = 26 + _SIGN * min(len(series.name), 40) + 18
        if x > 6 and x + width > _WIDTH:
            row, x = row + 1, 6.0
        places.append((row, x))
        x += width
    return places


def _legend_rows(chart: Chart) -> int:
    return max((row + 1 for row, _ in _legend_places(chart)), default=0)


def _whole(chart: Chart, key: str, height: float, drawn: Iterable[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_n(height)}" role="img" aria-labelledby="{key}-title '
        f'{key}-desc" '
        f'font-family="system-ui, sans-serif" font-size="13">'
        f'<title id="{key}-title">{_escaped(chart.title)}</title><desc '
        f'id="{key}-desc">{_escaped(_said(chart))}</desc>'
        f"{''.join(drawn)}</svg>"
    )


def _said(chart: Chart) -> str:
    """The chart in words, for those who hear it."""
    said = [f"{chart.kind.capitalize()}: {chart.y_label or 'values'} by {chart.x_label or 'position'}."]
    for series in chart.series:
        ys = [y for _, y in _points(series, chart)]
        reach = f"{len(ys)} values from {number(min(ys))} to {number(max(ys))}" if ys else "no values"
        said.append(f"{series.name}: {reach}.")
    return " ".join(said)


def _escaped(text: str) -> str:
    """A text as XML holds it, which holds no control characters; names come from users' files."""
    return escape(plain(text))


def _tip(series: str, name: str, value: float) -> str:
    return f"<title>{_escaped(f'{series}, {name}: {number(value)}')}</title>"


def _text(x: float, y: float, text: str, anchor: str, at_most: int = 16, kind: str = "tick") -> str:
    shown = text if len(text) <= at_most else text[: at_most - 1] + "…"
    tip = f"<title>{_escaped(text)}</title>" if shown != text else ""
    return (
        f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{_escaped(shown)}{tip}</text>'
    )


def _rule(x0: float, y0: float, x1: float, y1: float, kind: str = "grid") -> str:
    return f'<path class="{kind}" d="M{_n(x0)} {_n(y0)}L{_n(x1)} {_n(y1)}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


# --- the interval of one figure ---


def interval_svg(figure: Figure) -> str:
    """A figure's interval as a small bar: its value a dot, the real data's a diamond; empty where there is no
    interval.

    It repeats what stands in words beside it, and is hidden from screen readers.
    """
    known = [value for value in (figure.low, figure.high, figure.value, figure.real) if value is not None]
    if (
        figure.refused
        or figure.value is None
        or figure.low is None
        or figure.high is None
        or not all(map(math.isfinite, known))
    ):
        return ""
    scale = axis(known, tight=True)
    low, high, value = (_n(6 + 68 * scale.at(at)) for at in (figure.low, figure.high, figure.value))
    real = (
        f'<path class="s1 mark" d="{_mark(3, 6 + 68 * scale.at(figure.real), 5)}"/>'
        if figure.real is not None
        else ""
    )
    return (
        '<svg class="interval" viewBox="0 0 80 10" aria-hidden="true"><path class="grid" d="M1 5H79"/>'
        f'<path class="s0 reach" d="M{low} 5H{high}"/>{real}<path class="s0 mark" '
        f'd="{_mark(0, float(value), 5)}"/></svg>'
    )

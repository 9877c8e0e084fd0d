"""The report as one HTML page that needs nothing beside it: no network, no script; styles, charts and
pictures lie in it.

First screen: the verdict, the headline figures, real and synthetic side by side. Then the sections, then how
it was obtained. Every text is escaped, for names come from users' files; besides, the page forbids itself
every script and every request.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from labelmint.reports.results import Chart, Figure, Picture, Results, Section, Table, Verdict
from labelmint.reports.svg import chart_svg, interval_svg
from labelmint.reports.words import headline, interval, number, refusal

__all__ = ["render"]

_PNG = b"\x89PNG\r\n\x1a\n"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LEVELS = {"good": "Good", "mixed": "Mixed", "bad": "Bad"}
_BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": ""}


def render(results: Results, folder: Path) -> str:
    """The page.

    Arguments:
        results: what it shows; a refused figure stands in words.
        folder: where the PNG files of its pictures lie; one that is not there is said to be missing.
    """
    title = escape(results.title)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" '
            'content="light dark">',
            f"<title>{title}</title>\n<style>\n{_style()}</style>\n</head>\n<body>",
            f'<header class="first">\n<h1>{title}</h1>',
            _verdict(results.verdict),
            _headlines(headline(results)),
            _picture(results.overview, folder) if results.overview else "",
            "</header>",
            _contents(results.sections),
            "<main>",
            *(_section(section, k, folder) for k, section in enumerate(results.sections, start=1)),
            _origin(results.origin),
            "</main>\n</body>\n</html>",
        ]
    )


def _style() -> str:
    return files("labelmint.reports").joinpath("report.css").read_text(encoding="utf-8")


# --- the first screen ---


def _verdict(verdict: Verdict) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    return (
        f'<section class="verdict {verdict.level}" aria-label="Verdict"><p '
        f'class="level">{_LEVELS[verdict.level]}</p>'
        f'<p class="answer">{escape(verdict.text)}</p>{f"<ul>{reasons}</ul>" if reasons else ""}</section>'
    )


def _headlines(figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    return f'<dl class="headline" aria-label="Headline figures">{"".join(map(_headline, figures))}</dl>'


def _headline(figure: Figure) -> str:
    """A figure on the first screen: its number, the bar of its interval, and in small print what the bar
    shows.
    """
    words = refusal(figure)
    if words:
        return f'<div><dt>{escape(figure.title)}</dt><dd class="refused">{escape(words)}</dd></div>'
    notes = [
        f"95 % interval {interval(figure.low, figure.high)}"
        if interval(figure.low, figure.high) != "-"
        else "",
        f'<i class="s1" aria-hidden="true">◆</i> real data {number(figure.real)}'
        if figure.real is not None
        else "",
        _BETTER[figure.better],
    ]
    small = " ".join(f"<span>{note}</span>" for note in notes if note)
    return (
        f'<div><dt>{escape(figure.title)}</dt><dd class="value">{number(figure.value)}{_unit(figure)}</dd>'
        f'<dd class="bar">{interval_svg(figure)}</dd><dd class="small">{small}</dd></div>'
    )


def _unit(figure: Figure) -> str:
    return f" <small>{escape(figure.unit)}</small>" if figure.unit else ""


def _contents(sections: Sequence[Section]) -> str:
    links = [(_anchor(section, k), section.title) for k, section in enumerate(sections, start=1)]
    items = "".join(
        f'<li><a href="#{anchor}">{escape(title)}</a></li>'
        for anchor, title in [*links, ("origin", "How it was obtained")]
    )
    return f'<nav aria-label="Contents"><h2>Contents</h2><ol>{items}</ol></nav>'


def _anchor(section: Section, k: int) -> str:
    """An id from the section's name; its number keeps ids apart, whatever the names are."""
    return f"{k}-{re.sub('[^a-z0-9]+', '-', section.name.lower()).strip('-') or 'section'}"


# --- the sections ---


def _section(section: Section, k: int, folder: Path) -> str:
    anchor = _anchor(section, k)
    charts = "".join(_chart(chart, f"chart-{k}-{i}") for i, chart in enumerate(section.charts, start=1))
    pictures = "".join(_picture(picture, folder) for picture in section.pictures)
    lead = f'<p class="lead">{escape(section.summary)}</p>' if section.summary else ""
    return "\n".join(
        [
            f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n<h2 '
            f'id="{anchor}-title">{escape(section.title)}</h2>{lead}',
            _figures(section) if section.figures else "",
            f'<div class="charts">{charts}</div>' if charts else "",
            *(_table(table) for table in section.tables),
            f'<div class="pictures">{pictures}</div>' if pictures else "",
            "</section>",
        ]
    )


def _figures(section: Section) -> str:
    rows = "".join(map(_figure, section.figures))
    head = '<th scope="col">Figure</th>' + "".join(
        f'<th scope="col" class="number">{name}</th>' for name in ("Value", "95 % interval", "Real data")
    )
    table = f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return _scrolled(table, f"Figures: {section.title}")


def _figure(figure: Figure) -> str:
    small = " · ".join(escape(text) for text in (figure.how.rstrip("."), _BETTER[figure.better]) if text)
    small = f'<span class="small">{small}</span>' if small else ""
    head = f'<th scope="row">{escape(figure.title)} <code>{escape(figure.name)}</code>{small}</th>'
    words = refusal(figure)
    if words:
        return f'<tr>{head}<td colspan="3" class="refused">{escape(words)}</td></tr>'
    cells = (number(figure.value) + _unit(figure), interval(figure.low, figure.high), number(figure.real))
    return f"<tr>{head}{''.join(f'<td{_aligned(True)}>{cell}</td>' for cell in cells)}</tr>"


def _table(table: Table) -> str:
    """A table; columns of numbers stand to the right, the first cell of a row is its head."""
    width = len(table.head)
    right = [
        any(isinstance(row[i], int | float) for row in table.rows if i < len(row))
        and not any(isinstance(row[i], str) for row in table.rows if i < len(row))
        for i in range(width)
    ]
    head = "".join(
        f'<th scope="col"{_aligned(right[i])}>{escape(name)}</th>' for i, name in enumerate(table.head)
    )
    rows = "".join(f"<tr>{_cells(row, right)}</tr>" for row in table.rows)
    note = f'<p class="small">{escape(table.note)}</p>' if table.note else ""
    caption = f"<caption>{escape(table.title)}</caption>"
    return (
        _scrolled(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>", table.title)
        + note
    )


def _cells(row: Iterable[str | float | None], right: Sequence[bool]) -> str:
    texts = [escape(cell) if isinstance(cell, str) else number(cell) for cell in row]
    return "".join(
        f'<th scope="row"{_aligned(at_right)}>{text}</th>'
        if i == 0
        else f"<td{_aligned(at_right)}>{text}</td>"
        for i, (text, at_right) in enumerate(zip(texts, right, strict=False))
    )


def _aligned(right: bool) -> str:
    return ' class="number"' if right else ""


def _scrolled(table: str, name: str) -> str:
    """A wide table scrolls sideways by itself, by keyboard too, and never the page."""
    return f'<div class="scrolled" role="region" tabindex="0" aria-label="{escape(name)}">{table}</div>'


def _chart(chart: Chart, key: str) -> str:
    note = f'<p class="small">{escape(chart.note)}</p>' if chart.note else ""
    return f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart_svg(chart, key)}{note}</figure>"


def _picture(picture: Picture, folder: Path) -> str:
    note = f' <span class="small">{escape(picture.note)}</span>' if picture.note else ""
    caption = f"<figcaption>{escape(picture.title)}{note}</figcaption>"
    content = _png(folder, picture.file)
    if content is None:
        return f'<figure class="picture"><p class="refused">{escape(picture.file)} is not there</p>{caption}</figure>'
    # The header of a PNG file holds its sides; given, the page does not jump while it loads.
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    source = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{escape(picture.title)}">'
    return f'<figure class="picture">{image}{caption}</figure>'


def _png(folder: Path, name: str) -> bytes | None:
    """The bytes of a PNG file in the folder; None where there is none, and for what lies elsewhere or is no
    PNG.
    """
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        return None
    content = file.read_bytes()
    return content if content.startswith(_PNG) else None


# --- how it was obtained ---


def _origin(origin: dict[str, Any]) -> str:
    heading = '<h2 id="origin-title">How it was obtained</h2>'
    return f'<section id="origin" aria-labelledby="origin-title">{heading}{_list(origin)}</section>'


def _list(content: dict[str, Any]) -> str:
    items = "".join(
        f"<div><dt>{escape(str(key).replace('_', ' '))}</dt><dd>{_said(value)}</dd></div>"
        for key, value in content.items()
    )
    return f'<dl class="origin">{items}</dl>' if items else "<p>-</p>"


def _said(value: Any) -> str:
    """A value of the origin in full: seeds and counts are never rounded."""
    if isinstance(value, dict):
        return _list(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) or "-"
    if isinstance(value, float):
        return number(value)
    return escape(
        "-" if value is None else "yes" if value is True else "no" if value is False else str(value)
    )

"""The report of `labelmint evaluate` that the studio shows: the one it was given, or the newest beside the run.

report.json      what was found (`reports.results`); request.json says of which weights
*.png            its pictures: the plain files that listing the folder finds, by their names
synthetic/       the samples that were evaluated
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError
from labelmint.reports.files import read_report
from labelmint.reports.svg import chart_svg
from labelmint.reports.words import interval, number, refusal
from labelmint.storage import read_mark

if TYPE_CHECKING:
    from labelmint.reports.results import Chart, Figure, Picture, Results, Section, Table

__all__ = ["newest_report", "picture_of", "report_for_page", "weights_of"]

_REPORT, _REQUEST = "report.json", "request.json"
_PNG = b"\x89PNG\r\n\x1a\n"


def newest_report(run: Path, weights: str) -> Path | None:
    """The folder of the newest report about these weights that lies beside the run or in it; None for none."""
    run = run.resolve()
    found = [
        folder
        for folder in (*_folders(run.parent), *_folders(run))
        if (folder / _REPORT).is_file() and weights_of(folder) == weights
    ]
    return max(found, key=lambda folder: (folder / _REPORT).stat().st_mtime, default=None)


def weights_of(report: Path) -> str | None:
    """The digest of the weights that a report is about; None where it is about pairs of any making."""
    mark = read_mark(report / _REQUEST)
    return mark["weights"] if "evaluation" in mark and isinstance(mark.get("weights"), str) else None


def _folders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def picture_of(report: Path, name: str) -> bytes:
    """A PNG file of a report by its name in the folder's listing.

    Raises InputError for any other name, a link, and what is no PNG.
    """
    with os.scandir(report) as entries:
        files = {entry.name: entry.path for entry in entries if entry.is_file(follow_symlinks=False)}
    content = Path(files[name]).read_bytes() if name in files else b""
    if not content.startswith(_PNG):
        raise InputError(f"the report has no picture {name!r}")
    return content


# For the page -----------------------------------------------------------------------------------------------


def report_for_page(folder: Path) -> dict[str, Any]:
    """A report in words and marks, as its page has them. Raises InputError for a folder that holds none."""
    results = read_report(folder)
    made = datetime.fromtimestamp((folder / _REPORT).stat().st_mtime).isoformat(" ", "minutes")
    return {
        "title": results.title,
        "made": made,
        "level": results.verdict.level,
        "answer": results.verdict.text,
        "reasons": list(results.verdict.reasons),
        "headline": _figures(figure for name in results.headline if (figure := results.figures.get(name))),
        "overview": _pictures([results.overview] if results.overview else []),
        "sections": [_section(section, k) for k, section in enumerate(results.sections)],
        "origin": _origin(results),
    }


def _section(section: Section, k: int) -> dict[str, Any]:
    return {
        "title": section.title,
        "summary": section.summary,
        "figures": _figures(section.figures),
        "tables": [_table(table) for table in section.tables],
        "charts": [_chart(chart, f"chart-{k}-{i}") for i, chart in enumerate(section.charts)],
        "pictures": _pictures(section.pictures),
    }


def _figures(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    better = {"higher": "higher is better", "lower": "lower is better", "neither": ""}
    return [
        {
            "title": one.title,
            "value": number(one.value, one.unit),
            "interval": interval(one.low, one.high),
            "real": number(one.real),
            "how": " · ".join(text for text in (one.how.rstrip("."), better[one.better]) if text),
            "refused": refusal(one),
        }
        for one in figures
    ]


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "head": list(table.head),
        "rows": [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in table.rows],
        "note": table.note,
    }


def _chart(chart: Chart, key: str) -> dict[str, Any]:
    svg = chart_svg(chart, key).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return {"title": chart.title, "note": chart.note, "svg": svg}


def _pictures(pictures: Iterable[Picture]) -> list[dict[str, Any]]:
    return [{"title": one.title, "file": one.file, "note": one.note} for one in pictures]


def _origin(results: Results) -> str:
    """The command that made it; empty where that is not told."""
    command = results.origin.get("command")
    return command if isinstance(command, str) else ""

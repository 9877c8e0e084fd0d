"""The report's two files: report.json for programs, report.html for people; both stand only when both are
whole.

report.json is `Results` and, derived from it for those who look one number up, "figures": {name: value, or
null if refused}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labelmint.errors import InputError
from labelmint.reports.html import render
from labelmint.reports.results import FORMAT_VERSION, Results
from labelmint.storage import write_together

__all__ = ["read_report", "write_report"]


def write_report(results: Results, folder: Path) -> None:
    """Write report.json and report.html into a folder, which is made; pictures of the report lie in it
    already.

    Both are written aside and then renamed, report.json last: where it is, the report is whole. Where one can't be
    written, nothing of them is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": json.dumps(_content(results), indent=1, ensure_ascii=False),
        "report.html": render(results, folder),
    }
    with write_together(*(folder / name for name in texts)) as asides:
        for aside, text in zip(asides, texts.values(), strict=True):
            aside.write_text(text + "\n", encoding="utf-8", newline="\n")


def _content(results: Results) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(results.model_dump_json())
    figures = results.figures.items()
    return {
        **content,
        "figures": {name: None if figure.refused else figure.value for name, figure in figures},
    }


def read_report(folder: Path) -> Results:
    """The results that `write_report` wrote into a folder.

    Raises InputError where there is no report.json, where it is damaged, and where another version of
    labelmint wrote its format.
    """
    file = folder / "report.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); give the folder that `labelmint evaluate` wrote"
        ) from None
    except ValueError:
        raise InputError(f"{file}: is no JSON; run `labelmint evaluate` again") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"{file}: has format version {version}, expected {FORMAT_VERSION}; run `labelmint evaluate` again"
        )
    try:
        return Results.model_validate({key: value for key, value in content.items() if key != "figures"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{file}: is no report: {where}: {first['msg']}; run `labelmint evaluate` again"
        ) from None

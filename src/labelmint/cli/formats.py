"""`labelmint formats`: what can be read and written, and what comes back of it."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmint.cli.options import AsJson
from labelmint.cli.printing import print_json, table

__all__ = ["formats"]


def formats(
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print what each carries as a table of Markdown.")
    ] = False,
) -> None:
    """List the formats of labelled images: what lies where, and what each carries."""
    from labelmint.formats import FORMATS
    from labelmint.formats.format import KEPT, LOST
    from labelmint.formats.matrix import matrix

    if markdown:
        print(matrix(FORMATS.values()), end="")
        return
    rows = [
        {
            "name": one.name,
            "read": one.reads is not None,
            "written": one.writes is not None,
            "title": one.title,
            "carries": one.carries.each() if one.writes is not None else None,
        }
        for one in FORMATS.values()
    ]
    if as_json:
        print_json(rows)
        return
    uses = [(r["name"], " and ".join(w for w in ("read", "written") if r[w]), r["title"]) for r in rows]
    print(table(("format", "", "what lies where"), uses, indent=""))
    print("\nWhat a format does not carry:")
    for row in rows:
        said = row["carries"] or {}
        assert isinstance(said, dict)
        lost = ", ".join(name for name, how in said.items() if how == LOST)
        about = "; ".join(f"{name}: {how}" for name, how in said.items() if how not in (KEPT, LOST))
        words = "; ".join(part for part in (f"lost: {lost}" if lost else "", about) if part)
        if said:
            print(f"  {row['name']}: {words or 'nothing'}")

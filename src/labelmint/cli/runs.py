"""`labelmint runs`: the runs of a folder, with what is known of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.options import AsJson
from labelmint.cli.printing import print_json, table

if TYPE_CHECKING:
    from labelmint.evaluation.known_runs import Known

__all__ = ["runs"]


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that holds runs, or one run.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """List runs by name: system, data, size, minutes and steps of training, and obedience.

    The obedience ratio is that of the newest `evaluate` report of these weights that lies in the run or beside it. For
    a broken run the list says what is wrong.
    """
    from labelmint.evaluation.known_runs import known_runs

    rows = [
        {"name": name, **(_facts(known) if not isinstance(known, str) else {"problem": known})}
        for name, known in known_runs(folder).items()
    ]
    if as_json:
        print_json(rows)
        return
    heads = ("run", "system", "preset", "data", "size", "pairs", "classes", "minutes", "steps", "obedience")
    whole = [_cells(row) for row in rows if "problem" not in row]
    if whole:
        print(table(heads, whole, indent=""))
    for row in rows:
        if "problem" in row:
            print(f"{row['name']}: {row['problem']}")


def _facts(known: Known) -> dict[str, Any]:
    request = known.config.request
    return {
        "system": request.system,
        "preset": request.preset,
        "size": list(request.size),
        "data": known.config.data,
        "training_pairs": len(known.split.get("training", ())),
        "classes": list(known.config.class_set.names),
        "data_digest": known.config.data_digest,
        "weights": known.digest,
        "minutes": round(known.minutes, 2),
        "steps": known.steps,
        "obedience": known.obedience,
    }


def _cells(row: dict[str, Any]) -> list[Any]:
    size, obedience = "x".join(map(str, row["size"])), row["obedience"]
    return [
        *(
            row["name"],
            row["system"],
            row["preset"],
            row["data"],
            size,
            row["training_pairs"],
            len(row["classes"]),
        ),
        *(f"{row['minutes']:.1f}", row["steps"], "" if obedience is None else f"{obedience:.2f}"),
    ]

"""`labelmint join`: what several machines drew, as one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import AsJson, ImageFormat
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress

__all__ = ["join"]


def join(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="SHARD... DST",
            help="All the shards of one export, as `synthesize --shard` wrote them, and the folder to write.",
            show_default=False,
        ),
    ],
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            metavar="N",
            help="Keep the first N that were accepted; all unless given.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Any that `labelmint formats` lists as written.")
    ] = "folder",
    image_format: ImageFormat = "png",
    as_json: AsJson = False,
) -> None:
    """Join the shards that several machines drew: the files are those that one machine would have written.

    Files are linked where they lie on one disk; the shards can be removed afterwards.
    """
    from labelmint.errors import InputError
    from labelmint.synthesis import join as joined

    if len(places) < 2:
        raise InputError(f"{places[0]}: expected shards and the folder to write, as in SHARD SHARD DST")
    *shards, out = places
    with Progress() as progress, interruptible("stopped; run the same command again"):
        count = joined(shards, out, n=n, format=format, image_format=image_format, report=progress.report)
    facts = {"out": str(out), "pairs": count, "format": format, "shards": len(shards)}
    if as_json:
        print_json(facts)
    else:
        print(f"wrote {count} pairs of {len(shards)} shards to {out} (format {format})")

"""`labelmint convert`: labelled images of any format in another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmint.cli.options import AsJson, FormatIn, Ignore, Merge, Orientation, Quiet, open_merged
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress, say

if TYPE_CHECKING:
    from labelmint.types import DataSet, Finding

__all__ = ["convert"]


def convert(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC... DST",
            help="Labelled images, or several sets that become one, and the folder to write.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="Write this format; `labelmint formats` lists them.")
    ],
    image_format: Annotated[
        str | None,
        typer.Option(
            "--image-format",
            metavar="NAME",
            help="Encode images as png, jpg, webp or tiff that are not; left out, files of images are copied as they "
            "are, and those that must be changed become PNG.",
        ),
    ] = None,
    merge: Merge = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    orientation: Orientation = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write labelled images in another format, object by object, and say what it does not carry.

    Several sets become one by the names of their classes.
    """
    from labelmint.datasets.watching import watched
    from labelmint.errors import InputError
    from labelmint.formats import check_target

    if len(places) < 2:
        raise InputError(f"{places[0]}: expected the data and the folder to write, as in SRC DST --to coco")
    *sources, out = places
    check_target(out, format=to, image_format=image_format, sources=sources)
    data = open_merged(sources, merge, format_in, ignore, orientation=orientation, quiet=quiet, union=True)
    if quiet and as_json:
        data = watched(data, lambda finding: None)  # what is odd stands in the document alone
    odd, lost = _write(data, out, to, image_format)
    if as_json:
        findings = [finding.text for finding in (*data.findings, *odd, *lost)]
        print_json({"out": str(out), "format": to, "pairs": len(data), "findings": findings})
        return
    if not quiet:
        say(lost)
    print(f"wrote {len(data)} pairs to {out} (format {to}; from {data.source}, format {data.format})")


def _write(
    data: DataSet, out: Path, to: str, image_format: str | None
) -> tuple[list[Finding], list[Finding]]:
    """Write the data under a line of progress; return what was odd about its pairs, which has been said where that is
    wanted, and what the format does not carry.
    """
    from labelmint.datasets.watching import told
    from labelmint.formats import write
    from labelmint.progress import Event

    lost: list[Finding] = []
    with Progress() as progress:

        def report(done: int) -> None:
            if done % 50 == 0 or done == len(data):
                progress.report(Event("pairs", done, len(data)))

        write(
            data,
            out,
            format=to,
            classes=data.classes,
            image_format=image_format,
            tell=lost.append,
            report=report,
        )
    return told(data), lost

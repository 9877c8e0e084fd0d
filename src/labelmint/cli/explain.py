"""`labelmint explain`: why the tokenizer of a run works, in pictures and figures."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    DataSets,
    Device,
    FormatIn,
    Ignore,
    Orientation,
    Quiet,
    Seed,
    ThreadsToMeasure,
    merge_of,
    open_merged,
)
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress
from labelmint.errors import InputError

__all__ = ["explain"]

_Run: TypeAlias = Annotated[
    Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
]
_Out: TypeAlias = Annotated[
    Path, typer.Option(help="The folder to write. The same command again continues where it was stopped.")
]
_Pixel: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="Y,X",
        help="Row and column whose attention is drawn; may be repeated; chosen unless given.",
        show_default=False,
    ),
]
_Show: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="A test pair to draw; may be repeated; chosen unless given.", show_default=False
    ),
]
_Against: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Compare with this run of the other number of paths; trains none.",
        show_default=False,
    ),
]
_SkipTwin: TypeAlias = Annotated[
    bool, typer.Option("--skip-twin", help="Do not compare one path with two; trains nothing.")
]
_Steps: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Train twins for N steps, the run's own tokenizer too; as long as the run unless given.",
    ),
]
_Seeds: TypeAlias = Annotated[int, typer.Option(metavar="N", help="Train each kind from N seeds.")]
_EqualBits: TypeAlias = Annotated[
    bool,
    typer.Option("--equal-bits", help="Train two paths with as many bits an image as the one path, too."),
]


def explain(
    run: _Run,
    data: DataSets,
    out: _Out,
    pixel: _Pixel = None,
    show: _Show = None,
    against: _Against = None,
    skip_twin: _SkipTwin = False,
    steps: _Steps = None,
    seeds: _Seeds = 1,
    equal_bits: _EqualBits = False,
    seed: Seed = 0,
    device: Device = "auto",
    threads: ThreadsToMeasure = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    orientation: Orientation = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show what each path of MSGNet's tokenizer contributes, where attention looks, and how codes are used; compare
    one path with two of equal size.
    """
    from labelmint.explanation.case import ExplainOptions
    from labelmint.explanation.explain import explain as run_explanation
    from labelmint.explanation.words import explain_summary

    options = ExplainOptions(
        pixels=_parse_pixels(pixel or ()),
        show=tuple(show or ()),
        against=against,
        skip_twin=skip_twin,
        steps=steps,
        seeds=seeds,
        equal_bits=equal_bits,
        seed=seed,
        device=device,
        threads=threads,
    )
    source = open_merged(data, merge_of(run), format_in, ignore, orientation=orientation, quiet=quiet)
    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        found = run_explanation(
            run, source, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print_json(found)
        return
    print(explain_summary(found))
    drawn = [
        str(out / name) for name in ("paths.png", "attention.png", "codes.png") if (out / name).is_file()
    ]
    print(f"look at {', '.join(drawn)}; programs read {out / 'explain.json'}")


def _parse_pixels(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """ "12,40" -> (12, 40), the row first."""
    found = [re.fullmatch(r"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*", text) for text in texts]
    wrong = next((text for text, match in zip(texts, found, strict=True) if match is None), None)
    if wrong is not None:
        raise InputError(f"--pixel {wrong}: expected ROW,COLUMN from the upper left corner, as in 12,40")
    return tuple((int(match[1]), int(match[2])) for match in found if match is not None)
